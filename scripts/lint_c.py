#!/usr/bin/python3
"""Formatting of C files: lint_c.py [--write] FILE...

The house style is PostgreSQL's, and clang-format cannot say all of it:
pgindent aligns declarations in columns and leaves the wrapping of long calls
to the author.  So this compares a file with what clang-format makes of it
(.clang-format), ignores the amount of white space and re-wrapped arguments,
and enforces what is left: braces on lines of their own, the return type on
its own line, one statement per line, spaces around operators.  Indentation by
tabs, line length and file length are looked at directly.
"""
import difflib
import os
import re
import subprocess
import sys

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".clang-format")
MAX_LINE = 110
MAX_FILE = 900
CONTROL = re.compile(r"^\s*(\}\s*)?(if|for|while|switch|do|else|return)\b")
# rows of a table, case labels in a row, an attribute before its function
BY_HAND = re.compile(r"^\s*(\{.+\}[,;]?$|\{$|\}\s*\w+\[\] =|case\b.*:$|\w+ = \S+,?( \w+ = \S+,?)*$|enum\b.*)")
ATTRIBUTE = re.compile(r"^(pg_noreturn|pg_attribute_\w+\(.*\)) ")


def squeeze(line):
    return re.sub(r"\s+", "", line)


def structural(old, new):
    """Whether a hunk is more than another wrapping of the same tokens."""
    # SQL text and macro bodies are laid out by hand
    if old and all('"' in l or l.rstrip().endswith("\\") or l.strip().startswith(("/*", "*"))
                   for l in old):
        return False
    if old and (all(BY_HAND.match(l) for l in old) or ATTRIBUTE.match(old[0])) \
            and squeeze("".join(old)) == squeeze("".join(new)):
        return False
    if squeeze("".join(old)) != squeeze("".join(new)):
        return True
    if [l.strip() for l in old if l.strip() in ("{", "}", "};")] != \
            [l.strip() for l in new if l.strip() in ("{", "}", "};")]:
        return True
    heads = lambda lines: [squeeze(l) for l in lines if CONTROL.match(l)]
    return len(heads(old)) != len(heads(new)) or re.match(r"^\w", new[0] if new else "") is not None \
        and len(old) != len(new)


def hunks(text, formatted):
    old, new = text.splitlines(), formatted.splitlines()
    matcher = difflib.SequenceMatcher(
        None, [squeeze(l) for l in old], [squeeze(l) for l in new], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal" and structural(old[a:b], new[c:d]):
            yield a, b, new[c:d]


def width(line):
    return len(line.expandtabs(4))


def plain_checks(path, lines):
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if line != line.rstrip():
            yield f"{where}: white space at the end of the line"
        if re.match(r"^\t* {4,}\S", line) and not line.lstrip().startswith("*"):
            yield f"{where}: indented by spaces, not tabs"
        if width(line) > MAX_LINE and '"' not in line and not line.startswith("/* links:"):
            yield f"{where}: {width(line)} columns wide"
        if re.search(r"(^|\) )pg_attribute_noreturn\(\)", line):
            yield f"{where}: PostgreSQL 18 has no pg_attribute_noreturn(); begin with pg_noreturn"
        if re.match(r"^\s*//", line):
            yield f"{where}: // comment"
    if len(lines) > MAX_FILE:
        yield f"{path}: {len(lines)} lines, more than {MAX_FILE}"


def main(arguments):
    write = "--write" in arguments
    bad = 0
    for path in (a for a in arguments if not a.startswith("--")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        formatted = subprocess.run(["clang-format", f"--style=file:{STYLE}", path],
                                   check=True, capture_output=True, text=True).stdout
        found = list(hunks(text, formatted))
        if write and found:
            lines = text.splitlines()
            for a, b, new in reversed(found):
                lines[a:b] = new
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            print(f"{path}: {len(found)} places formatted")
            continue
        for a, b, new in found:
            bad += 1
            print(f"{path}:{a + 1}: clang-format writes")
            for line in new:
                print(f"    {line}")
        for problem in plain_checks(path, text.splitlines()):
            bad += 1
            print(problem)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
