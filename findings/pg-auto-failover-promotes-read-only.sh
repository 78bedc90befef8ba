#!/usr/bin/env bash
# pg_auto_failover 2.0 (Debian 12) over PostgreSQL 15, seen 2026-11-30: when the primary is lost, the monitor has the standby promoted after 16 to 25 s, and
# then keeps it read only for 30 s more (`pgautofailover.primary_demote_timeout`): pg_is_in_recovery() says false, the timeline has grown, and
# every write fails with 25006, because `default_transaction_read_only` is on. A client that takes "not in recovery" for "takes writes", as
# `target_session_attrs=primary` of libpq does, has found its new primary half a minute too early. Needs apt-get and setpriv on Debian 12 (x64; nothing is
# installed); as root the programs run as `nobody`. Takes two minutes.
set -euo pipefail
folder=$(mktemp -d)
bin=$folder/debian/usr/lib/postgresql/15/bin
finish() {
  for cwd in /proc/[0-9]*/cwd; do
    case $(readlink "$cwd" 2>/dev/null || true) in
      "$folder"/*) pid=${cwd#/proc/} && kill -9 "${pid%/cwd}" 2>/dev/null || true ;;
    esac
  done
  sleep 0.5
  rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download pg-auto-failover-cli postgresql-15-auto-failover postgresql-15 postgresql-client-15 \
  libpq5 libicu72 libldap-2.5-0 liblz4-1 libllvm14 libsasl2-2 libxml2 libxslt1.1 libzstd1
for archive in *.deb; do dpkg-deb --extract "$archive" debian; done
chmod -R a+rX debian
mkdir monitor a b
as=()
if [ "$(id -u)" = 0 ]; then
  chown 65534 monitor a b
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
# Runs a program in the folder of a node, whose socket and state lie there.
on() {
  local node=$1
  shift
  cd "$folder/$node"
  "${as[@]}" env -i HOME="$folder/$node" PATH="$bin:$folder/debian/usr/bin:/usr/bin:/bin" PGUSER=postgres PG_REGRESS_SOCK_DIR="$folder/$node" LC_ALL=C \
    LD_LIBRARY_PATH="$folder/debian/usr/lib/x86_64-linux-gnu" "$@"
}
port=$((20000 + RANDOM % 8000))
declare -A ports=([monitor]=$port [a]=$((port + 1)) [b]=$((port + 2)))
sql() { (on "$1" "$bin/psql" -XAtq -h "$folder/$1" -p "${ports[$1]}" -d "${3:-postgres}" -c "$2" 2>&1) || true; }
uri=postgres://autoctl_node@127.0.0.1:$port/pg_auto_failover
for node in monitor a b; do
  create=(create monitor)
  [ $node = monitor ] || create=(create postgres --pghost "$folder/$node" --name $node --monitor "$uri")
  [ $node = b ] || (on $node "$bin/initdb" -D "$folder/$node/data" -U postgres -A trust -N >/dev/null)
  [ $node = b ] || echo 'checkpoint_completion_target = 0' >>"$node/data/postgresql.conf"
  (on $node pg_autoctl "${create[@]}" --pgdata "$folder/$node/data" --pgport "${ports[$node]}" --hostname 127.0.0.1 --auth trust --no-ssl --run >"$node/log" 2>&1) &
  disown
  for _ in {1..600}; do
    case $node in
      monitor) [ "$(sql monitor 'select count(*) from pgautofailover.node' pg_auto_failover)" != 0 ] || break ;;
      *) [[ $(sql monitor "select reportedstate from pgautofailover.node where nodename = '$node'" pg_auto_failover) =~ ^(single|secondary)$ ]] && break ;;
    esac
    sleep 0.2
  done
done
[ "$(sql b 'select pg_is_in_recovery()')" = t ]
for cwd in /proc/[0-9]*/cwd; do
  case $(readlink "$cwd" 2>/dev/null || true) in
    "$folder/a"*) pid=${cwd#/proc/} && kill -9 "${pid%/cwd}" ;;
  esac
done
SECONDS=0
until [ "$(sql b 'select pg_is_in_recovery()')" = f ]; do
  [ $SECONDS -lt 120 ]
  sleep 0.2
done
promoted=$SECONDS
said=$(sql b 'create table t (id int)')
until [ "$(sql b 'create table if not exists t (id int)')" = '' ]; do
  [ $SECONDS -lt 240 ]
  sleep 0.2
done
echo "pg_auto_failover $(on a pg_autoctl version | grep -o 'version [0-9.]*' | head -1): promoted ${promoted} s after the loss, \"$said\" then, and writable after ${SECONDS} s"
[[ $said == *'read-only transaction'* ]] && [ $((SECONDS - promoted)) -ge 15 ]
