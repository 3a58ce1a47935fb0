# shellcheck shell=bash
# Private servers for tests, demo and benchmarks; to be sourced by bash from
# the top of the checkout.
#
#   finops_tree                 build finops and install it into a copy of the
#                               server's own tree
#   start_server DIR [conf...]  initdb and start; exports PGHOST PGPORT PGUSER
#   stop_server DIR             stop and remove
#   use_server DIR              export PGHOST PGPORT PGUSER of a running one
#
# A server runs from a copy of the distribution's server tree below build/, so
# nothing is ever installed into the system's server.  PostgreSQL finds its
# libraries relative to its own executable, which is what makes the copy work.
# Started by root, the server runs as an unprivileged user.
#
# Connections go through a socket in a directory that only the server's user
# may enter; that directory is the password.  A server listens on TCP only
# when its caller asks for it, and then wants a real password there.

# Test servers have no keys but those that a test gives them.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_DEFAULT_REGION

# named by its path, since the copied tree comes first on the PATH below
PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || {
  echo "pg_config was not found; run make deps, or give PG_CONFIG=/path/to/pg_config" >&2
  exit 1
}
export PG_CONFIG
PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
SERVER_USER=$(id -un)
if [ "$(id -u)" = 0 ]; then
  SERVER_USER=postgres
  id "$SERVER_USER" >/dev/null 2>&1 || SERVER_USER=nobody
fi

as_server_user() {
  if [ "$(id -un)" = "$SERVER_USER" ]; then
    "$@"
  else
    runuser -u "$SERVER_USER" -- env -C / "$@"
  fi
}

# A directory of our own in the place for temporary files: never one that
# somebody else put there.
own_directory() {
  mkdir -m 755 "$1" 2>/dev/null || true
  if [ -L "$1" ] || [ ! -d "$1" ] || [ ! -O "$1" ]; then
    echo "$1 exists and belongs to somebody else; remove it or set TMPDIR" >&2
    return 1
  fi
}

# FINOPS_BUILD holds servers and results, FINOPS_SRC the files that a server
# reads.  Both are the checkout itself where the server's user can reach it.
if [ -z "${FINOPS_BUILD:-}" ]; then
  FINOPS_BUILD=$PWD/build
  if ! as_server_user test -r "$PWD/Makefile"; then
    FINOPS_BUILD=${TMPDIR:-/tmp}/finops-$(id -u)-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
    echo "note: user $SERVER_USER cannot enter $PWD, so servers live in $FINOPS_BUILD" >&2
    own_directory "$FINOPS_BUILD" || exit 1
  fi
fi
FINOPS_SRC=$PWD
mkdir -p "$FINOPS_BUILD"
if [ ! -w "$FINOPS_BUILD" ]; then
  echo "$FINOPS_BUILD is not writable for $(id -un); remove it and try again" >&2
  exit 1
fi
FINOPS_TREE=$FINOPS_BUILD/pg$PG_MAJOR
PGBIN=$FINOPS_TREE$("$PG_CONFIG" --bindir)
PATH=$PGBIN:$PATH

# Sets FINOPS_SRC to a copy of what a server reads, if the checkout cannot be
# reached by it.
finops_sources() {
  if ! as_server_user test -r "$PWD/Makefile"; then
    FINOPS_SRC=$FINOPS_BUILD/src
    rm -rf "$FINOPS_SRC"
    mkdir -p "$FINOPS_SRC"
    cp -a sql expected test scripts docs monitoring dashboards README.md "$FINOPS_SRC/"
  fi
}

# The copy is made anew when the server's packages changed (a newer minor
# version, an extension installed since); finops is installed each time.
finops_tree() {
  local bin lib share stamp d
  bin=$("$PG_CONFIG" --bindir) lib=$("$PG_CONFIG" --pkglibdir) share=$("$PG_CONFIG" --sharedir)
  stamp=$({ "$PG_CONFIG" --version; ls -l "$bin" "$lib" "$share" "$share/extension"; } | cksum)
  if [ "$(cat "$FINOPS_TREE/.complete" 2>/dev/null)" != "$stamp" ]; then
    for d in "$bin" "$lib" "$share"; do mkdir -p "$FINOPS_TREE$d"; done
    cp -aL --remove-destination "$bin/." "$FINOPS_TREE$bin/"
    tar cf - -C "$lib" --exclude=./bitcode --exclude=./pgxs . | tar xf - -C "$FINOPS_TREE$lib"
    cp -aL --remove-destination "$share/." "$FINOPS_TREE$share/"
    chmod -R go+rX "$FINOPS_TREE"
    echo "$stamp" >"$FINOPS_TREE/.complete"
  fi
  make -s PG_CONFIG="$PG_CONFIG" with_llvm=no
  make -s PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$FINOPS_TREE" install >/dev/null
}

# pg_cron is optional: a server without it runs everything but the schedule.
has_pg_cron() {
  [ -e "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ]
}

preload_libraries() {
  if has_pg_cron; then echo pg_cron,finops; else echo finops; fi
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

# The kernel takes 107 bytes for a socket's path.
socket_directory() {
  local dir=$1 short
  if [ "${#dir}" -le 90 ]; then
    echo "$dir"
    return
  fi
  short=$(as_server_user mktemp -d /tmp/finops-XXXXXX)
  echo "$short"
}

use_server() {
  PGHOST=$(cat "$1/socket") PGPORT=$(cat "$1/port") PGUSER=postgres
  export PGHOST PGPORT PGUSER
}

start_server() {
  local dir=$1 port socket locale=C.UTF-8
  shift
  stop_server "$dir"
  mkdir -p "$(dirname "$dir")"
  mkdir -m 700 "$dir"
  [ "$(id -u)" != 0 ] || chown "$SERVER_USER": "$dir"
  locale -a 2>/dev/null | grep -qix 'C\.utf-\?8' || locale=C
  as_server_user "$PGBIN/initdb" -D "$dir/data" -U postgres -E UTF8 --locale="$locale" \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync --no-instructions >"$dir/initdb.log"
  socket=$(socket_directory "$dir")
  { printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$socket'" "fsync = off" "$@"
  } >>"$dir/data/postgresql.conf"
  echo "$socket" >"$dir/socket"
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    echo "$port" >"$dir/port"
    if as_server_user "$PGBIN/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $port" -t 120 -w start >/dev/null; then
      use_server "$dir"
      return 0
    fi
    grep -q 'Address already in use' "$dir/log" || break
  done
  tail -n 20 "$dir/log" >&2
  return 1
}

stop_server() {
  local socket
  [ -e "$1" ] || return 0
  if [ -e "$1/data/postmaster.pid" ]; then
    as_server_user "$PGBIN/pg_ctl" -D "$1/data" -m fast -t 60 -w stop >/dev/null 2>&1 ||
      as_server_user "$PGBIN/pg_ctl" -D "$1/data" -m immediate -t 60 -w stop >/dev/null 2>&1 || true
  fi
  socket=$(cat "$1/socket" 2>/dev/null || true)
  case $socket in /tmp/finops-??????) rm -rf "$socket" ;; esac
  rm -rf "$1"
}
