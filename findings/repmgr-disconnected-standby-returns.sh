#!/usr/bin/env bash
# repmgr 5.3.3 (Debian 12) over PostgreSQL 15.18, seen 2026-12-01: `standby_disconnect_on_failover = true` is documented to keep all standbys off a primary that
# hangs until the decision is made. Each standby is back as soon as it has decided for itself: the one that is not to be promoted restores its
# `wal_retrieve_retry_interval` and connects to the old primary while the other still waits. That wait is the second surprise: a candidate that finds a sibling
# connected at its first look waits for the whole of `sibling_nodes_disconnect_timeout` (30 s), although later looks find nothing, because repmgrd does not
# forget what the first look found. Here the candidate gives up the primary a few seconds before the other. With equal settings, the defaults of repmgr, it was a
# matter of luck: 73 to 75 s until the promotion seven times, and 104 s once. If the old primary wakes up before the others follow the new one, such
# a standby takes log from it that the new primary lacks: `repmgr standby follow` refuses, and the `repmgrd` of that standby ends. Needs apt-get
# and setpriv on Debian 12 (x64; nothing is installed); as root the programs run as `nobody`. Takes a minute and a half.
set -euo pipefail
folder=$(mktemp -d)
bin=$folder/debian/usr/lib/postgresql/15/bin
# Sends a signal to all programs that run inside of a folder.
signal() {
  for cwd in /proc/[0-9]*/cwd; do
    case $(readlink "$cwd" 2>/dev/null || true) in
      "$2"/*) pid=${cwd#/proc/} && kill "-$1" "${pid%/cwd}" 2>/dev/null || true ;;
    esac
  done
}
finish() {
  signal KILL "$folder"
  sleep 0.5
  rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download postgresql-15-repmgr=5.3.3-2 postgresql-15 postgresql-client-15 \
  libpq5 libicu72 libldap-2.5-0 liblz4-1 libllvm14 libsasl2-2 libxml2 libxslt1.1 libzstd1
for archive in *.deb; do dpkg-deb --extract "$archive" debian; done
chmod -R a+rX debian
mkdir -p a/run b/run c/run
as=()
if [ "$(id -u)" = 0 ]; then
  chown -R 65534 a b c
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
# Runs a program of PostgreSQL or repmgr inside of the folder of a node.
on() (
  node=$1 program=$2
  shift 2
  cd "$folder/$node/run"
  exec "${as[@]}" env -i HOME="$folder/$node" PATH="$bin:/usr/bin:/bin" LC_ALL=C LD_LIBRARY_PATH="$folder/debian/usr/lib/x86_64-linux-gnu" "$bin/$program" "$@"
)
port=$((20000 + RANDOM % 8000))
declare -A ids=([a]=1 [b]=2 [c]=3) ports=([a]=$port [b]=$((port + 1)) [c]=$((port + 2)))
address() { echo "host=127.0.0.1 port=${ports[$1]} user=postgres dbname=postgres connect_timeout=2"; }
sql() { on "$1" psql -XAtq -d "$(address "$1")" -c "$2" 2>/dev/null || true; }
repmgr() { on "$1" repmgr -f "$folder/$1/repmgr.conf" "${@:2}" >>"$1/repmgr.log" 2>&1; }
# Waits for so many seconds until a command prints a text.
wait_until() {
  local end=$((SECONDS + $1)) text=$2
  shift 2
  until [ "$("$@" || true)" = "$text" ]; do
    [ $SECONDS -lt $end ] || { echo "not \"$text\": $*" && exit 1; }
    sleep 0.2
  done
}
for node in a b c; do
  # b decides some 6 s before c. Where promote_command does more than to promote, as here, the others follow later.
  [ $node = b ] && attempts=3 || attempts=5
  cat >$node/repmgr.conf <<CONF
node_id = ${ids[$node]}
node_name = '$node'
conninfo = '$(address $node)'
data_directory = '$folder/$node/data'
pg_bindir = '$bin'
failover = 'automatic'
promote_command = '$bin/repmgr -f $folder/$node/repmgr.conf standby promote && sleep 3'
follow_command = '$bin/repmgr -f $folder/$node/repmgr.conf standby follow --upstream-node-id=%n'
standby_disconnect_on_failover = true
reconnect_attempts = $attempts
reconnect_interval = 1
monitor_interval_secs = 1
CONF
  if [ $node = a ]; then
    on a initdb -D "$folder/a/data" -U postgres -A trust -N >/dev/null
    printf '%s\n' "shared_preload_libraries = 'repmgr'" 'fsync = off' 'shared_buffers = 16MB' >>a/data/postgresql.conf
  else
    repmgr $node -d "$(address a)" standby clone --fast-checkpoint
  fi
  on $node pg_ctl -s -w -D "$folder/$node/data" -l "$folder/$node/postgres.log" -o "-p ${ports[$node]} -h 127.0.0.1 -k $folder/$node" start
  [ $node = a ] && role=primary || role=standby
  repmgr $node $role register
done
sql a 'create table t (id int)'
wait_until 30 2 sql a "select count(*) from pg_stat_replication where state = 'streaming'"
for node in a b c; do
  on $node repmgrd -f "$folder/$node/repmgr.conf" --daemonize=false --no-pid-file >$node/repmgrd.log 2>&1 &
  disown
  wait_until 30 1 grep -cs 'starting monitoring' $node/repmgrd.log
done
wait_until 30 0 sql b 'select count(*) from t'
# The machine of the primary hangs, and its last write has not left it.
for pid in $(sql a 'select pid from pg_stat_replication'); do kill -STOP "$pid"; done
sql a 'insert into t values (1)'
signal STOP "$folder/a"
# It wakes up when b is the new primary.
wait_until 120 f sql b 'select pg_is_in_recovery()'
promoted=$(date +%s)
signal CONT "$folder/a"
wait_until 30 1 grep -c 'repmgrd terminating' c/repmgrd.log
# When repmgrd of a node first logged a text.
at() {
  local line
  line=$(grep -m 1 -F "$2" "$1/repmgrd.log" || { echo "$1 has not logged: $2" >&2 && exit 1; })
  date -d "$(expr "$line" : '\[\([^]]*\)\]')" +%s
}
back=$(at c 'setting "wal_retrieve_retry_interval" to 5000')
first=$(at b 'WAL receiver PID on node 3')
waited=$(($(at b 'WAL receiver still connected on at least one sibling node') - first))
found=$(grep -c 'WAL receiver PID on node 3' b/repmgrd.log)
refused=$(grep -c 'this node cannot attach to follow target node 2' c/repmgrd.log)
echo "$(on c repmgrd --version), $(on c postgres --version): c decides for \"$(grep -oP -m 1 'promotion candidate is "\K\w' c/repmgrd.log)\" and goes back to the old primary $((promoted - back)) s before the promotion;" \
  "b waits $waited s, though only $found looks of 30 find c connected; c has $(sql c 'select count(*) from t') rows, b $(sql b 'select count(*) from t'); refused to follow: $refused"
[ $((promoted - back)) -ge 15 ] && [ $waited -ge 29 ] && [ "$found" -lt 30 ] && [ "$refused" -ge 1 ]
