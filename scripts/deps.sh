#!/bin/bash
# Installs what is missing from the distribution: deps.sh [demo|test|lint|fuzz].
# On Debian and Ubuntu only; elsewhere it names what is missing and stops.
# It never starts, stops or restarts a service of its own accord.
set -eu
purpose=${1:-demo}
PG_CONFIG=${PG_CONFIG:-pg_config}

case $purpose in
demo | test | lint | fuzz) ;;
*) echo "usage: $0 [demo|test|lint|fuzz]" >&2; exit 2 ;;
esac

pgxs() {
  local file
  file=$("$PG_CONFIG" --pgxs 2>/dev/null) && [ -e "$file" ]
}

config_major() {
  "$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'
}

if ! pgxs && [ "$PG_CONFIG" != pg_config ]; then
  echo "$PG_CONFIG does not answer, or its server has no development files" >&2
  exit 1
fi

# Other systems, and servers that no package brought: look, and name.
check_only() {
  local missing=()
  command -v gcc >/dev/null || missing+=("gcc")
  command -v make >/dev/null || missing+=("make")
  pgxs || missing+=("PostgreSQL 15 or newer with its development files (pg_config --pgxs)")
  if command -v gcc >/dev/null; then
    echo '#include <zlib.h>' | gcc -E - >/dev/null 2>&1 || missing+=("zlib with its headers")
    echo '#include <libxml/xmlreader.h>' | gcc -E -I/usr/include/libxml2 - >/dev/null 2>&1 || missing+=("libxml2 with its headers")
    echo '#include <curl/curl.h>' | gcc -E - >/dev/null 2>&1 || missing+=("libcurl 7.85 or newer with its headers")
  fi
  if pgxs; then
    [ -x "$("$PG_CONFIG" --bindir)/initdb" ] || missing+=("the PostgreSQL server programs (initdb, postgres)")
    [ "$(config_major)" -ge 15 ] || missing+=("PostgreSQL 15 or newer ($PG_CONFIG is $(config_major))")
  fi
  if [ "$purpose" = lint ]; then
    for tool in clang-format cppcheck shellcheck; do
      command -v "$tool" >/dev/null || missing+=("$tool")
    done
    /usr/bin/python3 -c 'import pglast' 2>/dev/null || missing+=("python3 with pglast")
  fi
  if [ "${#missing[@]}" -gt 0 ]; then
    echo "finops needs, and this machine lacks:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
  fi
  if [ "$purpose" = test ] && ! [ -e "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ]; then
    echo "note: pgTAP is not installed for this server; its tests will be skipped"
  fi
  if ! [ -e "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ]; then
    echo "note: pg_cron is not installed for this server; jobs will not be scheduled"
  fi
}

if ! command -v apt-get >/dev/null; then
  check_only
  exit 0
fi
if pgxs && [ "$("$PG_CONFIG" --bindir)" != "/usr/lib/postgresql/$(config_major)/bin" ]; then
  check_only
  exit 0
fi

export DEBIAN_FRONTEND=noninteractive
as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo DEBIAN_FRONTEND=noninteractive)
fi

updated=
update_lists() {
  [ -z "$updated" ] || return 0
  updated=1
  may_install
  echo "+ ${as_root[*]:+sudo }apt-get update"
  "${as_root[@]}" apt-get -qq update
}

may_install() {
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "packages are missing; as root, run: scripts/deps.sh $purpose" >&2
    exit 1
  fi
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

available() {
  apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

distribution_major() {
  apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

if pgxs; then
  major=$(config_major)
else
  major=$(distribution_major)
  if [ -z "$major" ]; then
    update_lists
    major=$(distribution_major)
  fi
fi
if [ -z "$major" ] || [ "$major" -lt 15 ]; then
  echo "finops needs PostgreSQL 15 or newer; this distribution offers ${major:-none}" >&2
  echo "Install a newer one and run: make PG_CONFIG=/path/to/pg_config" >&2
  exit 1
fi

wanted=(make gcc libc6-dev libcurl4-openssl-dev libxml2-dev zlib1g-dev libisal-dev "postgresql-$major" "postgresql-server-dev-$major")
optional=("postgresql-$major-cron")
case $purpose in
test)
  wanted+=(libipc-run-perl python3)
  optional+=("postgresql-$major-pgtap" zip)
  # a store that verifies S3 signatures: 90 packages, so only where tests are all there is
  [ -z "${CI:-}" ] || optional+=(swift-proxy swift-account swift-container swift-object memcached)
  # clients that read the views, a browser and a validator for the pages
  optional+=(python3-psycopg python3-psycopg2 python3-pyodbc odbc-postgresql tidy)
  [ -z "${CI:-}" ] || optional+=(libpostgresql-jdbc-java default-jdk-headless chromium fonts-dejavu-core)
  # where Node is not the distribution's, its packages cannot be installed
  ! installed nodejs || ! apt-get -s install --no-install-recommends node-pg >/dev/null 2>&1 || optional+=(node-pg)
  # their packages start services, which a machine that somebody works on is not to have
  [ -z "${CI:-}" ] || optional+=(prometheus prometheus-alertmanager prometheus-postgres-exporter prometheus-sql-exporter)
  ;;
lint)
  wanted+=(clang-format cppcheck shellcheck python3-pglast)
  ;;
fuzz)
  wanted+=(clang libclang-rt-dev)
  ;;
esac

missing=()
for package in "${wanted[@]}" "${optional[@]}"; do
  installed "$package" || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

may_install
update_lists
packages=()
for package in "${missing[@]}"; do
  if available "$package"; then
    packages+=("$package")
  elif [[ " ${optional[*]} " == *" $package "* ]]; then
    echo "note: $package is not offered by this distribution; what needs it is skipped"
  else
    echo "package $package is not offered by this distribution" >&2
    exit 1
  fi
done
[ "${#packages[@]}" -gt 0 ] || exit 0

# The development package wants the server of its own minor version.  Where a
# server of that major is running, take the packages of its version, so that
# it is neither upgraded nor restarted.
running_upgrade() {
  apt-get -s install --no-install-recommends "${packages[@]}" 2>/dev/null |
    grep -q "^Inst postgresql-$major \[" &&
    pg_lsclusters -h 2>/dev/null | grep -q "^$major .* online"
}
if installed "postgresql-$major" && running_upgrade; then
  version=$(dpkg-query -W -f '${Version}' "postgresql-$major")
  for i in "${!packages[@]}"; do
    [ "${packages[i]}" != "postgresql-server-dev-$major" ] || packages[i]=${packages[i]}=$version
  done
  if running_upgrade || ! apt-get -s install --no-install-recommends "${packages[@]}" >/dev/null 2>&1; then
    echo "Installing $(printf '%s ' "${missing[@]}")would upgrade the running PostgreSQL $major ($version)" >&2
    echo "and restart its clusters, which is yours to decide. Upgrade it, then try again." >&2
    exit 1
  fi
fi

echo "finops ($purpose) needs packages of this distribution:"
echo "+ ${as_root[*]:+sudo }apt-get install --no-install-recommends ${packages[*]}"
if [[ " ${packages[*]} " == *" postgresql-$major "* ]]; then
  echo "  (the package postgresql-$major makes a cluster $major/main of its own; finops does not use it)"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "apt-get install failed" >&2
  exit 1
fi
