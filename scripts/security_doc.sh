#!/bin/bash
# Writes the table of rights in docs/security.md anew, from finops.access_matrix
# of a private server.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh
dir=$FINOPS_BUILD/rights
trap 'stop_server "$dir"' EXIT
finops_tree
start_server "$dir" "shared_preload_libraries = 'finops'"
psql -X -d postgres -qc 'CREATE EXTENSION finops SCHEMA public'
sed -i '/^| object | group |/q' docs/security.md
{
  echo '|---|---|---|---|---|---|---|---|'
  psql -X -At -d postgres -v ON_ERROR_STOP=1 -q -f test/rights_line.sql -c 'SELECT line FROM right_line ORDER BY line'
} >>docs/security.md
