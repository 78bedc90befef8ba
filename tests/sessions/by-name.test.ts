import { type ConnectionPool, createPool } from '@poolhouse/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'

const LEFT = `select coalesce(current_setting('a.b', true), '') as left`
const SCHEMA = 'select nspname::text as name from pg_namespace where oid = pg_my_temp_schema()'

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  async function openPool(): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const pool = createPool({ driver: make(), connection: primary.url, max: 1 })
    onTestFinished(() => pool.close())
    return pool
  }

  it.each([
    `execute sneak('leak')`,
    `-- x\rexecute sneak('leak')`,
    `select 1; execute sneak('leak')`,
    `explain analyze execute sneak('leak')`,
    `explain (analyze, costs off) execute sneak('leak')`,
    `create temp table t as execute sneak('leak')`,
    `begin; create unlogged table t as execute sneak('leak'); drop table t; commit`,
  ])(
    'T08: what a statement of another borrower does when it is run by its name is undone: %j',
    async (text) => {
      const pool = await openPool()
      await pool.query({
        name: 'sneak',
        text: `select set_config('a.b', $1, false)`,
        values: ['first'],
      })
      expect((await pool.query(LEFT)).rows).toEqual([{ left: '' }])
      await pool.use(async (lease) => {
        await lease.query(text)
        expect((await lease.query(LEFT)).rows).toEqual([{ left: 'leak' }])
      })
      expect((await pool.query(LEFT)).rows).toEqual([{ left: '' }])
    },
  )

  it.each([
    'create table pg_temp_0.t (a int)',
    'create table "pg_temp_0".t (a int)',
    'create table U&"pg\\005ftemp_0".t (a int)',
    '-- x\rcreate table PG_TEMP_0.t (a int)',
    'begin; set local search_path = pg_temp; create table t (a int); commit',
    `begin; set local search_path to 'pg_temp'; create table t (a int); commit`,
  ])(
    'T08: a table in the schema of temporary objects is temporary by whatever name: %j',
    async (text) => {
      const pool = await openPool()
      // The schema stays with the server's process once it was used.
      await pool.query('create temp table first (a int)')
      const { rows } = await pool.query<{ name: string }>(SCHEMA)
      const count = `select count(*)::int as tables from pg_class where relnamespace = pg_my_temp_schema()`
      await pool.use(async (lease) => {
        // The server numbers these schemas.
        const number = rows[0]!.name.replace('pg_temp_', '')
        await lease.query(text.replace('_0', `_${number}`))
        expect((await lease.query(count)).rows).toEqual([{ tables: 1 }])
      })
      expect((await pool.query(count)).rows).toEqual([{ tables: 0 }])
    },
  )
})
