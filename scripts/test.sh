#!/bin/bash
# The tests: [unit] [regress] [pgtap] [isolation] [tap] [lint]; without
# arguments every suite but lint.  Servers are private ones below build/.
# The last line is "N passed, N failed", with ", N skipped" where tests were.
#
# FINOPS_TAP names the files of suite tap to run, such as "040_rights".
# FINOPS_SHARED names a directory with public sample bills in data/; tests
# that need them are skipped without it.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/server.sh
. scripts/test_count.sh

suites=${*:-unit regress pgtap isolation tap}
for suite in $suites; do
  case $suite in
  unit | regress | pgtap | isolation | tap | lint) ;;
  *) echo "unknown suite $suite; there are: unit regress pgtap isolation tap lint" >&2; exit 2 ;;
  esac
done

if [ -z "${FINOPS_SHARED:-}" ] && [ -d ../shared/data ]; then
  FINOPS_SHARED=$(cd ../shared && pwd)
fi
[ -z "${FINOPS_SHARED:-}" ] || export FINOPS_SHARED

work=$FINOPS_BUILD/test
exec 9>"$FINOPS_BUILD/test.lock"
flock -n 9 || { echo "another test run works in $FINOPS_BUILD; waiting for it"; flock 9; }

finish() {
  stop_server "$work/server"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

build() {
  finops_tree 9>&- || { echo "the build failed"; echo "0 passed, 1 failed"; exit 1; }
  finops_sources
  export PG_ABS_SRCDIR=$FINOPS_SRC
}

# One server for regress, pgtap and isolation; each has its own database.
need_server() {
  [ ! -e "$work/server/data/postmaster.pid" ] || return 0
  start_server "$work/server" "shared_preload_libraries = '$(preload_libraries)'" \
    "cron.database_name = 'postgres'" "cron.use_background_workers = on" \
    "max_worker_processes = 20" "max_connections = 50" 9>&- || exit 1
}

# Pure C: built outside the server with sanitizers, as many at a time as there
# are processors, and anew only when something changed.
build_unit() {
  local source=$1 binary=$2 line links=
  line=$(head -n 1 "$source")
  case $line in '/* links:'*) links=${line#/\* links:} links=${links%\*/} ;; esac
  # shellcheck disable=SC2046,SC2086 # one word for each link
  if [ -e "$binary" ] && [ -z "$(find src test/unit -newer "$binary" \( -name '*.h' -o -path "$source" \
    $(printf -- '-o -path %s ' $links) \))" ]; then
    return 0
  fi
  rm -f "$binary"
  # shellcheck disable=SC2086 # links is a list of files and libraries, the flags one of flags
  gcc -std=gnu11 -g -O1 -Wall -Wextra -Werror -ffp-contract=off \
    ${FINOPS_UNIT_FLAGS:--fsanitize=address,undefined -fno-sanitize-recover=undefined} \
    -DFINOPS_STANDALONE -Isrc -Itest/unit -o "$binary" "$source" $links -lm >"$binary.build" 2>&1
}

suite_unit() {
  local source name running=0
  mkdir -p "$work/unit"
  for source in test/unit/*_test.c; do
    [ -e "$source" ] || return 0
    [ "$running" -lt "$(nproc)" ] || { wait -n; running=$((running - 1)); }
    build_unit "$source" "$work/unit/$(basename "$source" .c)" &
    running=$((running + 1))
  done
  wait
  for source in test/unit/*_test.c; do
    name=$(basename "$source" .c)
    if [ ! -e "$work/unit/$name" ]; then
      cat "$work/unit/$name.build"
      count_case "$name" 0 1 0 "does not compile"
      continue
    fi
    "$work/unit/$name" >"$work/unit/$name.log" 2>&1
    count_tap "$name" "$work/unit/$name.log" $?
  done
}

# The paths of a test driver of the server's own test suite.
driver() {
  echo "$(dirname "$("$PG_CONFIG" --pgxs)")/../test/$1"
}

# names_of DIRECTORY SUFFIX
names_of() {
  find "$1" -maxdepth 1 -name "*$2" -exec basename {} "$2" \; 2>/dev/null | LC_ALL=C sort
}

# pg_regress sets DateStyle, TimeZone and IntervalStyle to unusual values.
suite_regress() {
  local tests out=$work/regress
  tests=$(names_of sql .sql)
  [ -n "$tests" ] || return 0
  need_server
  rm -rf "$out"
  mkdir -p "$out"
  # shellcheck disable=SC2086 # tests is a list of names
  "$(driver regress/pg_regress)" --inputdir="$FINOPS_SRC" --outputdir="$out" --bindir="$PGBIN" \
    --dbname=finops_regress $tests >"$out/log" 2>&1 9>&-
  count_regress "$out" $?
}

suite_pgtap() {
  local file name
  ls test/pgtap/*.sql >/dev/null 2>&1 || return 0
  need_server
  if [ ! -e "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ]; then
    count_skip pgtap "pgTAP is not installed for this server"
    return
  fi
  mkdir -p "$work/pgtap"
  psql -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' \
    -c 'DROP EXTENSION IF EXISTS finops, pgtap, pg_cron CASCADE' >/dev/null 2>&1 || true
  ! has_pg_cron || psql -X -q -d postgres -c 'CREATE EXTENSION pg_cron' || return 0
  if ! psql -X -q -d postgres -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION finops SCHEMA public' -c 'CREATE EXTENSION pgtap'; then
    count_case pgtap 0 1 0 "the extensions could not be created"
    return
  fi
  for file in test/pgtap/*.sql; do
    name=$(basename "$file" .sql)
    PGDATESTYLE='SQL, DMY' PGTZ=Asia/Kolkata PGOPTIONS='-c intervalstyle=iso_8601' \
      psql -X -q -At -P pager=off -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d postgres -f "$file" \
      >"$work/pgtap/$name.log" 2>&1
    count_tap "$name" "$work/pgtap/$name.log" $?
  done
}

suite_isolation() {
  local specs out=$work/isolation
  specs=$(names_of test/isolation/specs .spec)
  [ -n "$specs" ] || return 0
  need_server
  rm -rf "$out"
  mkdir -p "$out"
  # shellcheck disable=SC2086 # specs is a list of names
  "$(driver isolation/pg_isolation_regress)" --inputdir="$FINOPS_SRC/test/isolation" --outputdir="$out" \
    --bindir="$PGBIN" --dbname=finops_isolation --load-extension=finops $specs >"$out/log" 2>&1 9>&-
  count_regress "$out" $?
}

# Perl: each file makes servers of its own, as the server's user.
suite_tap() {
  local file name perl out=$work/tap
  ls test/tap/*.pl >/dev/null 2>&1 || return 0
  perl=$(driver perl)
  if ! perl -MIPC::Run -MTest::More -e 1 2>/dev/null || [ ! -e "$perl/PostgreSQL/Test/Cluster.pm" ]; then
    count_skip tap "the Perl modules IPC::Run and PostgreSQL::Test::Cluster are not installed"
    return
  fi
  rm -rf "$out"
  mkdir -p "$out"
  [ "$(id -un)" = "$SERVER_USER" ] || chown "$SERVER_USER": "$out"
  for file in test/tap/*.pl; do
    name=$(basename "$file" .pl)
    case " ${FINOPS_TAP:-$name} " in *" $name "*) ;; *) continue ;; esac
    as_server_user env -u PGHOST -u PGPORT -u PGUSER PATH="$PGBIN:$PATH" HOME="$out" \
      TESTDIR="$out" TESTLOGDIR="$out/log" TESTDATADIR="$out/data" PG_REGRESS="$(driver regress/pg_regress)" \
      PG_TEST_TIMEOUT_DEFAULT=120 FINOPS_CLIENTS="$FINOPS_BUILD/clients" FINOPS_PRELOAD="$(preload_libraries)" PG_ABS_SRCDIR="$FINOPS_SRC" \
      perl -I "$perl" -I "$FINOPS_SRC/test/tap" "$FINOPS_SRC/$file" >"$work/$name.log" 2>&1 9>&-
    count_tap "$name" "$work/$name.log" $?
  done
}

suite_lint() {
  mkdir -p "$work"
  scripts/lint.sh >"$work/lint.log" 2>&1
  count_tap lint "$work/lint.log" $?
}

[ "$suites" = lint ] || [ "$suites" = unit ] || build
for suite in $suites; do
  begin_suite "$suite"
  "suite_$suite"
done
print_summary
