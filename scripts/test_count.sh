# shellcheck shell=bash
# Counting test cases; sourced by test.sh.  Every suite ends in count_case,
# which prints one line per file and adds to the totals.

passed=0 failed=0 skipped=0
suite_name='' suite_start=0 case_start=0
summary=()

tick() { date +%s%3N; }

# 12345 ms as 12.3
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

end_suite() {
  [ -n "$suite_name" ] || return 0
  summary+=("$(printf '%-10s %5d passed, %d failed, %d skipped in %s s' "$suite_name" \
    $((passed - suite_passed)) $((failed - suite_failed)) $((skipped - suite_skipped)) \
    "$(seconds $(($(tick) - suite_start)))")")
}

begin_suite() {
  end_suite
  suite_name=$1 suite_start=$(tick) case_start=$suite_start
  suite_passed=$passed suite_failed=$failed suite_skipped=$skipped
  printf '== %s\n' "$1"
}

# count_case NAME PASSED FAILED SKIPPED [NOTE]
count_case() {
  local verdict=ok now
  [ "$3" = 0 ] || verdict='not ok'
  now=$(tick)
  printf '%-6s %-32s %4d passed' "$verdict" "$suite_name/$1" "$2"
  [ "$3" = 0 ] || printf ', %d failed' "$3"
  [ "$4" = 0 ] || printf ', %d skipped' "$4"
  printf '  %s s%s\n' "$(seconds $((now - case_start)))" "${5:+  $5}"
  case_start=$now
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

count_skip() {
  printf 'skipped: %s\n' "$2"
  count_case "$1" 0 0 1
}

# count_tap NAME LOG EXIT_CODE: output in the Test Anything Protocol
count_tap() {
  local name=$1 log=$2 code=$3 p f s note
  read -r p f s note < <(awk -v code="$code" '
    /^ok/ { if ($0 ~ /# *[Ss][Kk][Ii][Pp]/) s++; else p++; next }
    /^not ok/ { if ($0 ~ /# *TODO/) p++; else f++; next }
    /^1\.\.[0-9]+/ { planned = 1; plan = substr($1, 4) + 0; if (plan == 0) s++; next }
    /^Bail out!/ { bail = 1 }
    END {
      if (bail) { f++; note = "bailed out" }
      else if (!planned) { f++; note = "ended without a plan, exit code " code }
      else if (plan > 0 && plan != p + f + s) { f++; note = "planned " plan " tests, ran " p + f + s - 1 }
      else if (code != 0 && f == 0) { f++; note = "exit code " code }
      printf "%d %d %d %s\n", p, f, s, note
    }' "$log")
  count_case "$name" "$p" "$f" "$s" "$note"
  if [ "$f" != 0 ]; then
    # what failed and the diagnostics that belong to it, else the end
    grep -vE '^ok|^1\.\.|^# (Running|Checking|Postmaster)' "$log" | grep -E '^not ok|^#|ERROR|FATAL|PANIC|DETAIL|HINT|psql|==[0-9]+==|runtime error|died' | head -n 60 ||
      tail -n 30 "$log"
  fi
  grep -iE '^(ok|1\.\.0).*# *skip' "$log" | sed 's/^.*# *[Ss][Kk][Ii][Pp][A-Za-z]*:* */skipped: /' | sort -u | head -n 5
}

# count_regress OUTPUT_DIRECTORY EXIT_CODE: pg_regress and its isolation brother
count_regress() {
  local out=$1 code=$2 p f s=0 name
  p=$(grep -cE '^(ok [0-9]|test .* \.\.\. *ok)' "$out/log")
  f=$(grep -cE '^(not ok [0-9]|test .* \.\.\. *FAILED)' "$out/log")
  # a test that lacks its input says so in its output
  if ls "$out"/results/*.out >/dev/null 2>&1; then
    s=$(cat "$out"/results/*.out | grep -cE '^ *skipped: ')
    cat "$out"/results/*.out | grep -E '^ *skipped: ' | sort -u | sed 's/^ *//'
  fi
  if [ "$f" = 0 ] && [ "$code" != 0 ]; then
    f=1
    cat "$out/log"
  fi
  name=$(basename "$out")
  count_case "$name" "$p" "$f" "$s"
  if [ "$f" != 0 ]; then
    grep -E '^(not ok|test .*FAILED)' "$out/log"
    [ ! -e "$out/regression.diffs" ] || head -n 400 "$out/regression.diffs"
  fi
}

print_summary() {
  end_suite
  echo '== summary'
  printf '%s\n' "${summary[@]}"
  printf '%d passed, %d failed' "$passed" "$failed"
  [ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
  printf '\n'
  [ "$failed" = 0 ]
}
