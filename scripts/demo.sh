#!/bin/bash
# The demo: demo.sh start [BILL] | stop.  A private server below build/ that
# stays up until demo.sh stop; nothing else on the machine is touched.
#
# Without BILL three months of a generated bill are loaded and closed
# (FINOPS_DEMO_LINES lines each, default 100000).  With BILL, a cost and usage
# report or FOCUS file, plain or gzip, that bill's months are.
set -eu
cd "$(dirname "$0")/.."
action=${1:-start} bill=${2:-}
began=$(date +%s)

say() { printf '[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }

case $action in
start)
  if [ -n "$bill" ] && [ ! -f "$bill" ]; then
    echo "$bill is not a file" >&2
    exit 1
  fi
  scripts/deps.sh demo
  ;;
stop) ;;
*) echo "usage: $0 start [BILL] | stop" >&2; exit 2 ;;
esac

. scripts/server.sh
dir=$FINOPS_BUILD/demo

if [ "$action" = stop ]; then
  if [ -e "$dir" ]; then
    stop_server "$dir"
    echo "The demo server is stopped and its data is gone."
  else
    echo "No demo server is there."
  fi
  exit 0
fi

say "building finops for $("$PG_CONFIG" --version)"
finops_tree
finops_sources

say "starting a private server in $dir"
cron=()
! has_pg_cron || cron=("cron.use_background_workers = on" "cron.database_name = 'demo'")
start_server "$dir" "shared_preload_libraries = '$(preload_libraries)'" "listen_addresses = '127.0.0.1'" \
  "max_worker_processes = 20" "shared_buffers = 256MB" "max_wal_size = 4GB" "work_mem = 64MB" \
  "synchronous_commit = off" "${cron[@]}"
createdb demo
! has_pg_cron || psql -X -q -d demo -c 'CREATE EXTENSION pg_cron'
psql -X -q -d demo -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION finops SCHEMA public'

settings=(-X -q -d demo -v ON_ERROR_STOP=1 -v "began=$began" -P pager=off -P footer=off -P linestyle=unicode -P border=1)
if [ -n "$bill" ]; then
  # the server reads the file itself, as its own user
  path=$(readlink -f "$bill")
  if ! as_server_user test -r "$path"; then
    path=$FINOPS_BUILD/demo-bill-$(basename "$bill")
    say "copying $bill to $path, where the server may read it"
    install -m 644 "$bill" "$path"
  fi
  psql "${settings[@]}" -v bill="$path" -f scripts/demo_bill.sql
else
  psql "${settings[@]}" -v lines="${FINOPS_DEMO_LINES:-100000}" -f scripts/demo.sql
fi

page=$FINOPS_BUILD/demo-month.html
PGCLIENTENCODING=UTF8 psql -XAt -d demo -v ON_ERROR_STOP=1 -o "$page" \
  -c "SELECT finops.report_html(max(billing_period)) FROM finops.delivery WHERE status = 'current'"

say "done; the server keeps running"
cat <<END

The month:     $page
Look around:   $PGBIN/psql -h $PGHOST -p $PGPORT -U postgres demo$([ "$(id -un)" = "$SERVER_USER" ] || echo "   (as root or $SERVER_USER)")
By TCP:        port $PGPORT on 127.0.0.1, after \\password in psql
Throw it away: make demo-stop
END
