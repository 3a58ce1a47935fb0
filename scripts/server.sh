# Private servers for tests, demo and benchmarks; to be sourced by bash from
# the top of the checkout.
#
#   finops_tree                 copy the server tree and install finops there
#   start_server DIR [conf...]  initdb and start; exports PGHOST PGPORT PGUSER
#   stop_server DIR             stop and remove
#
# A server runs from a copy of the distribution's server tree below build/, so
# nothing is ever installed into the system's server.  PostgreSQL finds its
# libraries relative to its own executable, which is what makes the copy work.
# Started by root, the server runs as an unprivileged user.

PG_CONFIG=${PG_CONFIG:-pg_config}
PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
FINOPS_BUILD=${FINOPS_BUILD:-$PWD/build}
FINOPS_TREE=$FINOPS_BUILD/pg$PG_MAJOR
PGBIN=$FINOPS_TREE$("$PG_CONFIG" --bindir)
SERVER_USER=$(id -un)
if [ "$(id -u)" = 0 ]; then
  SERVER_USER=postgres
  id "$SERVER_USER" >/dev/null 2>&1 || SERVER_USER=nobody
fi

as_server_user() {
  if [ "$(id -un)" = "$SERVER_USER" ]; then "$@"; else runuser -u "$SERVER_USER" -- "$@"; fi
}

# The copy is made once per major version; finops is installed anew each time.
finops_tree() {
  local bin lib share
  bin=$("$PG_CONFIG" --bindir) lib=$("$PG_CONFIG" --pkglibdir) share=$("$PG_CONFIG" --sharedir)
  if [ ! -e "$FINOPS_TREE/.complete" ]; then
    mkdir -p "$FINOPS_TREE$bin" "$FINOPS_TREE$lib" "$FINOPS_TREE$share"
    cp -aL "$bin/." "$FINOPS_TREE$bin/"
    cp -a "$lib/." "$FINOPS_TREE$lib/"
    cp -a "$share/." "$FINOPS_TREE$share/"
    rm -rf "$FINOPS_TREE$lib/bitcode" "$FINOPS_TREE$lib/pgxs"
    touch "$FINOPS_TREE/.complete"
  fi
  make -s PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$FINOPS_TREE" install >/dev/null
}

# A port that nobody listens on; the start itself settles a race.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "no free port found" >&2
  return 1
}

start_server() {
  local dir=$1 port try
  shift
  mkdir -p "$(dirname "$dir")"
  mkdir -m 700 "$dir"
  [ "$(id -u)" != 0 ] || chown "$SERVER_USER": "$dir"
  as_server_user "$PGBIN/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$dir.initdb.log"
  { printf '%s\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" "fsync = off" "$@"
  } >>"$dir/data/postgresql.conf"
  for try in 1 2 3; do
    port=$(free_port)
    if as_server_user "$PGBIN/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $port" -w start >/dev/null; then
      echo "$port" >"$dir/port"
      export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres
      return 0
    fi
  done
  tail -n 20 "$dir/log" >&2
  return 1
}

stop_server() {
  [ -d "$1/data" ] || return 0
  as_server_user "$PGBIN/pg_ctl" -D "$1/data" -m fast -w stop >/dev/null || true
  rm -rf "$1" "$1.initdb.log"
}
