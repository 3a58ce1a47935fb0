#!/bin/bash
# A server to work with: start | stop | psql [args]; data is thrown away.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh
dir=$FINOPS_BUILD/dev
case ${1:-} in
start)
  finops_tree
  stop_server "$dir"
  start_server "$dir" "shared_preload_libraries = 'pg_cron,finops'" "cron.use_background_workers = on" "max_worker_processes = 20"
  psql -d postgres -qc 'CREATE EXTENSION pg_cron' -c 'CREATE EXTENSION finops SCHEMA public'
  ;;
stop) stop_server "$dir" ;;
psql)
  shift
  exec psql -h 127.0.0.1 -p "$(cat "$dir/port")" -U postgres -d postgres "$@"
  ;;
*) echo "usage: $0 start|stop|psql" >&2; exit 2 ;;
esac
