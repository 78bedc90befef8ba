/** What a statement does to a standby that runs it. */
type OnStandby =
  /** It answers, and that is all. */
  | 'reads'
  /** It succeeds, although it does something that counts on the primary only, or in its session. */
  | 'succeeds wrongly'
  /** It refuses, with this SQLSTATE. */
  | '25006'
  | '0A000'
  | '55000'
  | 'XX000'

/** A statement, what it does to a standby, and where each mode sends it. */
export interface StatementCase {
  /** `#` stands for a number that is new each time. */
  readonly text: string
  readonly onStandby: OnStandby
  /** Where it goes by its text. Default: both to the primary. */
  readonly conservative?: 'replica'
  readonly optimistic?: 'replica'
  /** What runs before it in the same session, and makes it impossible as a single statement. */
  readonly after?: readonly string[]
  /** What runs behind it in the same session, and is what the standby refuses. */
  readonly then?: string
  /**
   * How it is run where not by `query`. `session`: only there, because a pool has no place for it.
   */
  readonly by?: 'copyTo' | 'copyFrom' | 'session'
  /** Whether it adds a row to `log`. */
  readonly logs?: true
  /** SQLSTATE with which the primary refuses it too, run by itself. */
  readonly refusedAnyway?: string
}

const read = (text: string, by?: 'copyTo'): StatementCase => ({
  text,
  onStandby: 'reads',
  conservative: 'replica',
  optimistic: 'replica',
  ...(by && { by }),
})
const refused = (text: string, onStandby: OnStandby = '25006'): StatementCase => ({
  text,
  onStandby,
})
const logged = (text: string): StatementCase => ({ text, onStandby: '25006', logs: true })
const silent = (text: string): StatementCase => ({ text, onStandby: 'succeeds wrongly' })

/** The objects that the statements are about. */
export const OBJECTS: readonly string[] = [
  'create table t(id int primary key, a text not null)',
  "insert into t select i, 'a' from generate_series(1, 10) i",
  'create table log(id int generated always as identity, a text)',
  'create sequence s',
  'create materialized view v as select * from t',
  'create function reads() returns bigint language sql stable as $$ select count(*) from t $$',
  'create function reads_volatile() returns bigint language plpgsql as $$ begin return (select count(*) from t); end $$',
  'create function writes(a text) returns text language plpgsql as $$ begin insert into log(a) values (a); return a; end $$',
  "create procedure p() language plpgsql as $$ begin insert into log(a) values ('p'); end $$",
  'create view numbered as select nextval($$s$$) as n, a from t',
]

/** What the owner of the database needs beside to run them all. For `app`, as the superuser. */
export const GRANTS: readonly string[] = [
  'grant pg_checkpoint to app',
  'grant execute on function pg_switch_wal() to app',
]

/** The 38 statements of the study of routing: what a hot standby did with each. */
export const ROUTING_STUDY: readonly StatementCase[] = [
  logged("insert into log(a) values ('x')"),
  refused("update t set a = 'b' where id = 1"),
  refused('delete from t where id = -1'),
  refused('select * from t for update'),
  refused('select * from t for share'),
  logged("with x as (insert into log(a) values ('x') returning *) select * from x"),
  refused('select * into into_# from t'),
  refused('create table table_# (id int)'),
  refused('create temp table temp_# (id int)'),
  refused('create table table_as_# as select * from t'),
  refused('create temp table temp_as_# as select * from t'),
  refused("select nextval('s')"),
  refused("select setval('s', 1)"),
  refused('listen c'),
  refused('notify c'),
  refused("select pg_notify('c', 'x')"),
  { ...refused('lock table t in share row exclusive mode'), after: ['begin'], by: 'session' },
  { ...logged('copy log(a) from stdin'), by: 'copyFrom' },
  refused('analyze t'),
  refused('refresh materialized view v'),
  logged("explain analyze insert into log(a) values ('x')"),
  refused('select txid_current()'),
  refused('select pg_current_xact_id()'),
  { ...refused('begin isolation level serializable', '0A000'), then: 'select 1', by: 'session' },
  { ...refused('set transaction read write', '0A000'), after: ['begin'], by: 'session' },
  // Servers before 16 had no better word for it.
  refused('select lo_create(0)'),
  { ...refused("select currval('s')", '55000'), refusedAnyway: '55000' },
  { ...silent('select pg_advisory_lock(1)'), by: 'session' },
  silent("set work_mem = '5MB'"),
  silent("select set_config('work_mem', '6MB', false)"),
  { ...silent('begin isolation level repeatable read'), by: 'session' },
  { ...silent('declare c cursor for select * from t'), after: ['begin'], by: 'session' },
  { ...silent('declare held cursor with hold for select * from t'), by: 'session' },
  silent("prepare p_# as insert into log(a) values ('x')"),
  read('copy t to stdout', 'copyTo'),
  { text: 'do $$ begin perform 1 from t; end $$', onStandby: 'reads' },
  silent('select pg_export_snapshot()'),
  { text: 'select txid_current_if_assigned()', onStandby: 'reads' },
]

/** The 50 statements of the study of the drivers and tools around PostgreSQL. */
export const ECOSYSTEM_STUDY: readonly StatementCase[] = [
  read('select 1'),
  read('select * from t where id = 1'),
  read('select count(*), max(a) from t'),
  read('select id, row_number() over (order by id) from t'),
  read('values (1, 2)'),
  read('table t'),
  read('with x as (select * from t) select * from x'),
  read(
    'with recursive x(n) as (values (1) union all select n + 1 from x where n < 3) select * from x',
  ),
  read('select random(), clock_timestamp(), gen_random_uuid()'),
  read("select 'insert into t', $$for update$$"),
  read('explain select * from t'),
  read('explain analyze select * from t'),
  read('copy (select * from t) to stdout', 'copyTo'),
  { text: 'select reads()', onStandby: 'reads', optimistic: 'replica' },
  { text: 'select reads_volatile()', onStandby: 'reads', optimistic: 'replica' },
  { text: "explain insert into log(a) values ('x')", onStandby: 'reads' },
  refused(
    'merge into t using (values (1)) x(id) on t.id = x.id when matched then update set a = t.a',
  ),
  refused('select * from t for no key update'),
  refused('select * from t for key share'),
  refused('select * from (select * from t for update skip locked) x'),
  { ...logged("select writes('one')"), optimistic: 'replica' },
  { ...logged("select * from writes('two')"), optimistic: 'replica' },
  { ...refused('select * from numbered'), conservative: 'replica', optimistic: 'replica' },
  logged('call p()'),
  logged("do $$ begin insert into log(a) values ('do'); end $$"),
  refused('with x as (update t set a = a where id = 1 returning *) select * from x'),
  refused('with x as (delete from t where id = -1 returning *) select * from x'),
  refused('explain analyze update t set a = a where id = 1'),
  refused('select 1 as n into union_# union select 2'),
  refused('vacuum t'),
  refused('reindex table t'),
  refused('truncate log'),
  refused('create index on log(a)'),
  refused("comment on table t is 'x'"),
  refused('select pg_current_wal_lsn()', '55000'),
  refused('select pg_switch_wal()', '55000'),
  { ...refused('copy (delete from log returning a) to stdout'), by: 'copyTo' },
  { ...silent('select pg_advisory_lock_shared(1)'), by: 'session' },
  silent('select pg_advisory_xact_lock(1)'),
  silent('select pg_advisory_xact_lock_shared(1)'),
  { ...silent('select pg_try_advisory_lock(1)'), by: 'session' },
  { ...silent('select pg_try_advisory_lock_shared(1)'), by: 'session' },
  silent('select pg_try_advisory_xact_lock(1)'),
  silent('select pg_try_advisory_xact_lock_shared(1)'),
  { ...silent('select pg_advisory_unlock_all()'), by: 'session' },
  silent('select setseed(0.5)'),
  silent('checkpoint'),
  silent('select pg_stat_clear_snapshot()'),
  silent('select pg_is_in_recovery()'),
  silent('select pid from pg_stat_activity'),
]
