"""Lines that ran, by file: coverage.py TREE RESULTS

Reads what gcov makes of every .gcda file below TREE.  A line counts as run
when any of its builds ran it, as a pure C file is in the library and in unit
tests.  Writes RESULTS/files and RESULTS/missing; exits 1 below the gate.
"""
import collections
import json
import os
import subprocess
import sys

PURE_WANTED = 90.0
ALL_WANTED = 80.0


def counts(tree):
    """{source: {line: times run}}"""
    found = [os.path.join(d, f) for d, _, files in os.walk(tree) for f in files if f.endswith(".gcda")]
    lines = collections.defaultdict(dict)
    for start in range(0, len(found), 40):
        answer = subprocess.run(["gcov", "--json-format", "--stdout"] + found[start:start + 40],
                                cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        for document in answer.stdout.splitlines():
            for entry in json.loads(document)["files"]:
                name = os.path.normpath(entry["file"])
                name = os.path.relpath(name, tree) if os.path.isabs(name) else name
                if not name.startswith("src/") or not name.endswith(".c"):
                    continue
                seen = lines[name]
                for line in entry["lines"]:
                    number = line["line_number"]
                    seen[number] = max(seen.get(number, 0), line["count"])
    return lines


def is_pure(tree, source):
    """Pure C compiles without the server's headers."""
    return subprocess.run(["gcc", "-std=gnu11", "-DFINOPS_STANDALONE", "-Isrc", "-fsyntax-only", source],
                          cwd=tree, stderr=subprocess.DEVNULL, check=False).returncode == 0


def ranges(numbers):
    text, first, last = [], None, None
    for number in numbers + [None]:
        if first is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            text.append(str(first) if first == last else f"{first}-{last}")
        first = last = number
    return ", ".join(text)


def main():
    tree, results = (os.path.abspath(a) for a in sys.argv[1:3])
    lines = counts(tree)
    if not lines:
        sys.exit("no counts were written")
    total = collections.Counter()
    rows = []
    with open(os.path.join(results, "missing"), "w", encoding="utf-8") as missing:
        for source in sorted(lines):
            seen = lines[source]
            if not seen:
                continue
            ran = sum(1 for count in seen.values() if count > 0)
            pure = is_pure(tree, source)
            total["all"] += len(seen)
            total["all ran"] += ran
            if pure:
                total["pure"] += len(seen)
                total["pure ran"] += ran
            rows.append((100.0 * ran / len(seen), len(seen) - ran, source, pure))
            left = sorted(number for number, count in seen.items() if count == 0)
            if left:
                missing.write(f"{source}: {ranges(left)}\n")
    with open(os.path.join(results, "files"), "w", encoding="utf-8") as files:
        for percent, left, source, pure in sorted(rows):
            files.write(f"{percent:6.1f} % {left:5d} lines left  {source}{'  (pure)' if pure else ''}\n")
    failed = False
    for what, wanted in (("pure", PURE_WANTED), ("all", ALL_WANTED)):
        percent = 100.0 * total[what + " ran"] / max(total[what], 1)
        failed |= percent < wanted
        print(f"{'not ok' if percent < wanted else 'ok'} coverage of {what} C: "
              f"{percent:.1f} % of {total[what]} lines, {wanted:.0f} % wanted")
    sys.exit(1 if failed else 0)


main()
