#!/usr/bin/env bash
# Makes sure that this machine has a database server that the local stack and the tests can start: CockroachDB, or else
# PostgreSQL. Where there is neither, it installs the PostgreSQL server from Debian if it may (root, apt-get), and otherwise says
# what to install. Prints nothing when there is one.
set -euo pipefail

# have_cockroach: COCKROACH_BINARY, or cockroach on the PATH.
have_cockroach() {
  [[ -n "${COCKROACH_BINARY:-}" && -x "${COCKROACH_BINARY}" ]] || command -v cockroach >/dev/null
}

# have_postgres: the server's own binaries (not only the client's), on the PATH or where Debian puts them.
have_postgres() {
  { command -v initdb >/dev/null && command -v postgres >/dev/null; } || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

if have_cockroach || have_postgres; then
  exit 0
fi

if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
  echo "no database server found: installing PostgreSQL from Debian" >&2
  export DEBIAN_FRONTEND=noninteractive
  # Only the binaries are wanted; without this the package would also start a server of its own.
  conf=/etc/postgresql-common/createcluster.conf
  if [[ ! -e "$conf" ]]; then
    mkdir -p "${conf%/*}"
    echo 'create_main_cluster = false' >"$conf"
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  have_postgres && exit 0
fi

cat >&2 <<'TEXT'
There is no database server on this machine that Switchboard could start. Any one of these helps:
  - CockroachDB: put `cockroach` on the PATH, or name it in COCKROACH_BINARY (https://www.cockroachlabs.com/docs/releases)
  - PostgreSQL 15 or newer, the server (Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql)
TEXT
exit 1
