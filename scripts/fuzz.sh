#!/bin/bash
# Fuzzes the pure C files: fuzz.sh [SECONDS [NAME]], 60 seconds for each
# test/fuzz/NAME_fuzz.c.  Seeds are in test/fuzz/seeds/NAME/, what the fuzzer
# finds stays in build/fuzz/NAME/.  Needs clang with libFuzzer.
set -u
cd "$(dirname "$0")/.." || exit 2
duration=${1:-60} only=${2:-}
command -v clang >/dev/null || { echo "skipped: clang is not installed"; exit 0; }
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return (void) d, (void) n, 0; }' |
  clang -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null || { echo "skipped: clang has no libFuzzer"; exit 0; }

code=0
for source in test/fuzz/*_fuzz.c; do
  [ -e "$source" ] || { echo "skipped: no fuzz targets"; exit 0; }
  name=$(basename "$source" _fuzz.c)
  [ -z "$only" ] || [ "$only" = "$name" ] || continue
  work=build/fuzz/$name
  mkdir -p "$work/corpus"
  links=
  line=$(head -n 1 "$source")
  case $line in '/* links:'*) links=${line#/\* links:} links=${links%\*/} ;; esac
  # shellcheck disable=SC2086 # links is a list of files
  clang -std=gnu11 -g -O1 -Wall -Wextra -Werror -ffp-contract=off -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -DFINOPS_STANDALONE -Isrc -o "$work/target" "$source" $links -lm || { code=1; continue; }
  seeds=()
  [ ! -d "test/fuzz/seeds/$name" ] || seeds=("test/fuzz/seeds/$name")
  echo "== $name, $duration s"
  if (cd "$work" && timeout $((duration + 60)) ./target -max_total_time="$duration" -rss_limit_mb=1024 \
    -timeout=10 -print_final_stats=1 corpus "${seeds[@]/#/../../../}" >log 2>&1); then
    grep -E 'stat::number_of_executed_units|stat::new_units_added' "$work/log"
  else
    code=1
    tail -n 40 "$work/log"
    echo "FAILED: $name; the input is in $work"
  fi
done
exit $code
