import { describe, expect, test } from 'vitest'
import { findSessionChange } from '../../../src/sql/session-change.js'

const changeOf = (text: string): string | undefined => findSessionChange(text, 'literal')?.what

describe('what changes the session for longer than its transaction', () => {
  test.each([
    ["prepare transaction 'x'", undefined],
    ['prepare transaction as select 1', 'PREPARE'],
    ['prepare local as select 1', 'PREPARE'],
    ['set local a = 1', undefined],
    ['set local.a = 1', 'SET'],
    ['set local to 1', 'SET'],
    ['set local = 1', 'SET'],
    ['set transaction read only', undefined],
    ['set constraints all deferred', undefined],
    ['explain execute p', 'EXECUTE'],
    ['select execute from t', undefined],
    ['select 1 as execute', 'EXECUTE'],
    ['create table pg_temp.t (a int)', 'CREATE of a temporary object'],
    ['create table pg_toast_temp_3.t (a int)', 'CREATE of a temporary object'],
    ['create table pg_temp_t (a int)', undefined],
    ['create table pg_temp (a int)', undefined],
    ['create table pg_temporal.t (a int)', undefined],
    ['create table t_pg_temp.t (a int)', undefined],
    ['create temp table t (a int) on commit drop', undefined],
    ['create global temp table t (a int)', 'CREATE of a temporary object'],
    ['select 1 into temporary t', 'SELECT of a temporary object'],
    ['select (7::bigint).pg_advisory_lock', 'SELECT with pg_advisory_lock()'],
    ['select (array[7])[1].pg_advisory_lock', 'SELECT with pg_advisory_lock()'],
    ['select $1.pg_advisory_lock', 'SELECT with pg_advisory_lock()'],
    ['select t.pg_advisory_lock from t', undefined],
    ['select pg_advisory_lock from t', undefined],
    ['declare c cursor for select 1', undefined],
    ['declare c cursor without hold for select 1', undefined],
    ["update t set setting = '1'", undefined],
  ])('%s: %s', (text, what) => {
    expect(changeOf(text)).toBe(what)
  })

  test.each([
    ['pg_advisory_lock', 'pg_advisory_xact_lock()'],
    ['pg_advisory_lock_shared', 'pg_advisory_xact_lock_shared()'],
    ['pg_try_advisory_lock', 'pg_try_advisory_xact_lock()'],
    ['pg_try_advisory_lock_shared', 'pg_try_advisory_xact_lock_shared()'],
  ])('names what does the same as %s within a transaction', (name, instead) => {
    expect(findSessionChange(`select ${name}(1)`, 'literal')).toEqual({
      what: `SELECT with ${name}()`,
      instead,
    })
  })
})
