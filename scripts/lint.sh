#!/bin/bash
# Static checks; prints one line each and what is wrong.  "lint.sh format"
# formats the C files instead.
set -u
cd "$(dirname "$0")/.." || exit 2
PG_CONFIG=${PG_CONFIG:-pg_config}
sources=(src/*/*.c)
headers=(src/*/*.h)
c_files=("${sources[@]}" "${headers[@]}")
for file in test/unit/*.[ch] test/fuzz/*.[ch]; do [ ! -e "$file" ] || c_files+=("$file"); done
shell_files=(scripts/*.sh)
for file in .ci/run test/*/*.sh; do [ ! -e "$file" ] || shell_files+=("$file"); done
python=/usr/bin/python3

if [ "${1:-}" = format ]; then
  exec "$python" scripts/lint_c.py --write "${c_files[@]}"
fi

number=0 bad=0

# check TITLE COMMAND...: its output is shown when it fails
check() {
  local title=$1 output
  shift
  number=$((number + 1))
  if output=$("$@" 2>&1); then
    echo "ok $number - $title"
  else
    echo "not ok $number - $title"
    printf '%s\n' "$output" | sed 's/^/#   /'
    bad=$((bad + 1))
  fi
}

# with_tool PROGRAM TITLE COMMAND...
with_tool() {
  local tool=$1
  shift
  if command -v "$tool" >/dev/null; then
    check "$@"
  else
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $tool is not installed"
  fi
}

warnings() {
  local flags file code=0
  flags=$(make -s PG_CONFIG="$PG_CONFIG" with_llvm=no print-compile) || return 1
  for file in "${sources[@]}"; do
    # shellcheck disable=SC2086 # flags is a list
    $flags -Wall -Wextra -Werror -c -o /dev/null "$file" || code=1
  done
  return $code
}

# Only files that changed are looked at again.  The server's headers are not
# read, so it is told that an error does not return.
cppcheck_files() {
  mkdir -p build/cppcheck
  cppcheck --quiet --error-exitcode=1 --enable=warning,portability -j 2 \
    --cppcheck-build-dir=build/cppcheck --suppress=unknownMacro \
    -DERROR=21 -DFATAL=22 -DPANIC=23 '-Dereport(level, ...)=((level) >= 21 ? abort() : (void) 0)' \
    '-Delog(level, ...)=((level) >= 21 ? abort() : (void) 0)' "${sources[@]}"
}

pglast_is_there() { "$python" -c 'import pglast' 2>/dev/null; }

install_script() {
  local script
  for script in finops--*.sql; do
    "$python" scripts/lint_sql.py "$script" || return 1
  done
}

# each rule finds its fault in a file full of them
rules_speak() {
  local found code missing=()
  found=$("$python" scripts/lint_sql.py test/lint/unsafe.sql)
  for code in PS00{1..9} PS01{0..8} FIN0{1..4}; do
    [[ $found == *" $code "* ]] || missing+=("$code")
  done
  [ "${#missing[@]}" = 0 ] || { echo "never reported: ${missing[*]}"; return 1; }
}

# symbols that other libraries of the server would see carry our prefix
exported_symbols() {
  local found
  [ -e finops.so ] || make -s PG_CONFIG="$PG_CONFIG" with_llvm=no || return 1
  found=$(nm -D --defined-only finops.so | awk '{print $3}' |
    grep -vE '^(finops_|pg_finfo_finops_|Pg_magic_func$|_PG_init$|_init$|_fini$|[A-Z][A-Za-z0-9]*$)')
  [ -z "$found" ] || { echo "exported without a prefix: $found"; return 1; }
}

sql_layout() {
  local found
  # runbook statements stand as their documents have them
  found=$(grep -nE '[[:space:]]+$' src/*/*.sql sql/*.sql test/pgtap/*.sql |
    grep -vE '^(src/ops/runbook|sql/runbook_verbatim)\.sql:')
  [ -z "$found" ] || { printf 'white space at the end of the line: %s\n' "$found"; return 1; }
}

check "the install script is what the rooms say" make -s PG_CONFIG="$PG_CONFIG" check-sql
check "no warnings" warnings
check "exported symbols" exported_symbols
with_tool clang-format "formatting of C files" "$python" scripts/lint_c.py "${c_files[@]}"
with_tool cppcheck "cppcheck" cppcheck_files
with_tool shellcheck "shellcheck" shellcheck -x "${shell_files[@]}"
if pglast_is_there; then
  check "security rules of the install script" install_script
  check "each security rule finds its fault" rules_speak
else
  number=$((number + 1))
  echo "ok $number - security rules of the install script # SKIP pglast is not installed"
fi
check "layout of SQL files" sql_layout
echo "1..$number"
[ "$bad" = 0 ]
