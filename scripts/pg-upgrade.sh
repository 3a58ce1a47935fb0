#!/bin/bash
# pg_upgrade from the server of this machine to a newer one in a Debian chroot
# keeps every row: pg-upgrade.sh [SUITE MAJOR], by default trixie 17.  Needs
# root; see pg-chroot.sh.
set -eu
cd "$(dirname "$0")/.."
FINOPS_TAP=043_pg_upgrade exec scripts/pg-chroot.sh "${1:-trixie}" "${2:-17}" test tap
