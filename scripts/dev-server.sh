#!/bin/bash
# A server to work with: start | stop | psql [args]; data is thrown away.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh
dir=$FINOPS_BUILD/dev
case ${1:-} in
start)
  finops_tree
  start_server "$dir" "shared_preload_libraries = '$(preload_libraries)'" "cron.use_background_workers = on" "max_worker_processes = 20"
  ! has_pg_cron || psql -X -d postgres -qc 'CREATE EXTENSION pg_cron'
  psql -X -d postgres -qc 'CREATE EXTENSION finops SCHEMA public'
  ;;
stop) stop_server "$dir" ;;
psql)
  shift
  use_server "$dir"
  exec psql -d postgres "$@"
  ;;
*) echo "usage: $0 start|stop|psql" >&2; exit 2 ;;
esac
