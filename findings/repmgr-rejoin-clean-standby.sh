#!/usr/bin/env bash
# repmgr 5.3.3 (Debian 12) over PostgreSQL 15.18, seen 2026-12-01: a standby that follows a new primary and is stopped in an orderly way, before it has replayed a
# checkpoint of that primary, cannot come back with `repmgr node rejoin --force-rewind`. repmgr says "timelines are same, this server is not ahead" and runs
# pg_rewind all the same. pg_rewind takes the former timeline from the control file of the standby for its present one, though the same file says that
# it has recovered on the new one, and fails: "could not find previous WAL record at …". Nothing is wrong with that standby: it follows
# after `pg_ctl start`, or after `node rejoin` without `--force-rewind`. A script that always rejoins with `--force-rewind` leaves a healthy node down.
# Needs apt-get and setpriv on Debian 12 (x64; nothing is installed); as root the programs run as `nobody`.
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
start() { on "$1" pg_ctl -s -w -D "$folder/$1/data" -l "$folder/$1/postgres.log" start; }
stop() { on "$1" pg_ctl -s -w -D "$folder/$1/data" -m fast stop; }
# Waits until a node has so many rows, for half a minute.
wait_for_rows() {
  local end=$((SECONDS + 30))
  until [ "$(sql "$1" 'select count(*) from t')" = "$2" ]; do
    [ $SECONDS -lt $end ] || { echo "$1 has not got $2 rows" && exit 1; }
    sleep 0.2
  done
}
for node in a b c; do
  printf '%s\n' "node_id = ${ids[$node]}" "node_name = '$node'" "conninfo = '$(address $node)'" "data_directory = '$folder/$node/data'" \
    "pg_bindir = '$bin'" "log_level = 'INFO'" >$node/repmgr.conf
  if [ $node = a ]; then
    on a initdb -D "$folder/a/data" -U postgres -A trust -N >/dev/null
    printf '%s\n' "shared_preload_libraries = 'repmgr'" 'fsync = off' 'wal_log_hints = on' 'checkpoint_timeout = 1h' >>a/data/postgresql.conf
  else
    repmgr $node -d "$(address a)" standby clone --fast-checkpoint
  fi
  printf '%s\n' "port = ${ports[$node]}" "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$folder/$node'" >>$node/data/postgresql.conf
  start $node
  [ $node = a ] && role=primary || role=standby
  repmgr $node $role register
done
# The checkpoint after the promotion has enough to write that it takes most of the hour.
sql a "create table t as select repeat('x', 1000) as line from generate_series(1, 5000)"
wait_for_rows b 5000
wait_for_rows c 5000
stop a
repmgr b standby promote
repmgr c standby follow
sql b "insert into t values ('of the new primary')"
wait_for_rows c 5001
stop c
timelines=$(on c pg_controldata "$folder/c/data" | sed -nE "s/^(Latest checkpoint's TimeLineID|Min recovery ending loc's timeline): +//p" | tr '\n' ' ')
cp -a c/data c/stopped
sql b 'checkpoint'
forced=0
repmgr c -d "$(address b)" node rejoin --force-rewind || forced=$?
said=$(grep -o 'timelines are same, this server is not ahead' c/repmgr.log | head -1)
failed=$(grep -o 'pg_rewind: error: .*' c/repmgr.log || true)
start c
sql b "insert into t values ('while it was started')"
wait_for_rows c 5002
stop c
rm -rf c/data
mv c/stopped c/data
plain=0
repmgr c -d "$(address b)" node rejoin || plain=$?
wait_for_rows c 5002
echo "repmgr $(on c repmgr --version | grep -o '[0-9.]*'), $(on c postgres --version): timelines of checkpoint and recovery ${timelines}; \"$said\"; rejoin --force-rewind exits with $forced, \"$failed\";" \
  "pg_ctl start: follows; rejoin without it exits with $plain: follows"
[ "$timelines" = '1 2 ' ] && [ "$said" != '' ] && [ $forced != 0 ] && [[ $failed == *'could not find previous WAL record'* ]] && [ $plain = 0 ]
