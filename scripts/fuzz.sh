#!/bin/bash
# Fuzzes the pure C files: fuzz.sh [SECONDS [NAME]], 60 seconds for each
# test/fuzz/NAME_fuzz.c, as many at a time as there are processors.  Seeds are
# in test/fuzz/seeds/NAME/, what the fuzzer finds stays in build/fuzz/NAME/.
# Needs clang with libFuzzer.
set -u
cd "$(dirname "$0")/.." || exit 2
duration=${1:-60} only=${2:-}
command -v clang >/dev/null || { echo "skipped: clang is not installed"; exit 0; }
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return (void) d, (void) n, 0; }' |
  clang -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null || { echo "skipped: clang has no libFuzzer"; exit 0; }

# fuzz NAME: builds and runs one target; its words go to build/fuzz/NAME/out
fuzz() {
  local name=$1 source=test/fuzz/$1_fuzz.c work=build/fuzz/$1 links='' line seeds=()
  line=$(head -n 1 "$source")
  case $line in '/* links:'*) links=${line#/\* links:} links=${links%\*/} ;; esac
  # shellcheck disable=SC2086 # links is a list of files
  clang -std=gnu11 -g -O1 -Wall -Wextra -Werror -ffp-contract=off -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -DFINOPS_STANDALONE -Isrc -o "$work/target" "$source" $links -lm || return 1
  [ ! -d "test/fuzz/seeds/$name" ] || seeds=("test/fuzz/seeds/$name")
  echo "== $name, $duration s"
  if (cd "$work" && timeout $((duration + 60)) ./target -max_total_time="$duration" -rss_limit_mb=1024 \
    -timeout=10 -print_final_stats=1 corpus "${seeds[@]/#/../../../}" >log 2>&1); then
    grep -E 'stat::number_of_executed_units|stat::new_units_added' "$work/log"
  else
    tail -n 40 "$work/log"
    echo "FAILED: $name; the input is in $work"
    return 1
  fi
}

names=()
for source in test/fuzz/*_fuzz.c; do
  [ -e "$source" ] || { echo "skipped: no fuzz targets"; exit 0; }
  name=$(basename "$source" _fuzz.c)
  [ -n "$only" ] && [ "$only" != "$name" ] || names+=("$name")
done

code=0 running=0
for name in "${names[@]}"; do
  mkdir -p "build/fuzz/$name/corpus"
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n || code=1
    running=$((running - 1))
  fi
  fuzz "$name" >"build/fuzz/$name/out" 2>&1 &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || code=1
  running=$((running - 1))
done
for name in "${names[@]}"; do cat "build/fuzz/$name/out"; done
exit $code
