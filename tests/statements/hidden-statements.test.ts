import {
  type ConnectionPool,
  createPool,
  type PoolOptions,
  SessionStateError,
  TransactionError,
} from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

type Hide = (statement: string) => string

/**
 * Comments in front of a statement, behind which a lexer that is not PostgreSQL's looks for
 * nothing.
 */
const BEHIND_COMMENTS: readonly Hide[] = [
  (statement) => `-- x\r${statement}`,
  (statement) => `--\r${statement}`,
  (statement) => `-- x\r\n${statement}`,
  (statement) => `/* /* */ -- */\f${statement}`,
  (statement) => `-- 'x\r/* ' */ ${statement}`,
]

/** Statements in front of it, by which such a lexer loses its way. */
const BEHIND_STATEMENTS: readonly Hide[] = [
  (statement) => `select 1 --\r;${statement}`,
  (statement) => `select e'a'\n'\\''; ${statement}`,
  (statement) => `select e'a' -- b\r'\\'' ; ${statement}`,
  (statement) => `select 'a\\'; ${statement} --'`,
  (statement) => `select 1 as a$b$; ${statement}; select 1 as c$b$`,
  (statement) => `select 1 as begin, 2 as atomic; ${statement}`,
  (statement) => `create table begin (atomic int); drop table begin; ${statement}`,
  (statement) =>
    `create function f() returns int language sql begin atomic select 1 case; end; drop function f; ${statement}`,
  (statement) =>
    `create function f() returns int language sql begin atomic select 1 as case; end; drop function f; ${statement}`,
  (statement) =>
    `create table t (a int); create rule r as on insert to t do also (delete from t; delete from t); drop table t; ${statement}`,
]

const HIDDEN = [...BEHIND_COMMENTS, ...BEHIND_STATEMENTS]

const LEFT = `select coalesce(current_setting('a.b', true), '') as left`

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  async function openPool(options: Partial<PoolOptions> = {}): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const pool = createPool({ driver: make(), connection: primary.url, max: 1, ...options })
    onTestFinished(() => pool.close())
    return pool
  }

  async function openWithEscapes(): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const connection = `${primary.url}?options=-c%20standard_conforming_strings%3Doff`
    return await openPool({ connection })
  }

  it('T07: a hidden SET does not reach the next borrower', async () => {
    const pool = await openPool()
    for (const hide of HIDDEN) {
      const text = hide(`set a.b = 'leak'`)
      await pool.query(text)
      expect((await pool.query(LEFT)).rows, text).toEqual([{ left: '' }])
      await pool.use((lease) => lease.query(text))
      expect((await pool.query(LEFT)).rows, text).toEqual([{ left: '' }])
    }
  })

  it('T07: a hidden BEGIN or COMMIT is refused where each call may use another connection, and in a transaction', async () => {
    const pool = await openPool()
    for (const hide of HIDDEN) {
      for (const statement of ['begin', 'commit', 'end', 'rollback', 'commit; begin']) {
        const text = hide(statement)
        const lone = await failureOf(pool.query(text))
        expect(lone, text).toBeInstanceOf(TransactionError)
        expect(lone.executed).toBe('no')
        await pool.transaction(async (tx) => {
          expect(await failureOf(tx.query(text)), text).toBeInstanceOf(TransactionError)
          // The transaction goes on.
          await tx.query('select 1')
        })
      }
    }
  })

  it('T07: a hidden SET does not pass the guard of a pooler', async () => {
    const pool = await openPool({ pooler: 'pgbouncer' })
    for (const hide of HIDDEN) {
      const text = hide('set a.b = 1')
      expect(await failureOf(pool.query(text)), text).toBeInstanceOf(SessionStateError)
    }
  })

  it('T07: a backslash is read as the session has said, for each text that depends on it', async () => {
    const standard = await openPool()
    const escaping = await openWithEscapes()
    const ifEscaped = "select 'a\\', '; commit; --'"
    const ifStandard = "select '\\'; commit; --'"
    expect((await standard.query({ text: ifEscaped, rowMode: 'array' })).rows).toEqual([
      ['a\\', '; commit; --'],
    ])
    expect(await failureOf(escaping.query(ifEscaped))).toBeInstanceOf(TransactionError)
    expect(await failureOf(standard.query(ifStandard))).toBeInstanceOf(TransactionError)
    expect((await escaping.query({ text: ifStandard, rowMode: 'array' })).rows).toEqual([
      ["'; commit; --"],
    ])
    await escaping.transaction(async (tx) => {
      expect(await failureOf(tx.query(ifEscaped))).toBeInstanceOf(TransactionError)
      await tx.query(ifStandard)
    })
    await escaping.query("select 'a\\', '; set a.b = 1; --'")
    expect((await escaping.query(LEFT)).rows).toEqual([{ left: '' }])
    // The setting of one borrower counts for its own texts, and ends with it.
    await standard.use(async (lease) => {
      await lease.query('set standard_conforming_strings = off')
      await lease.query("select 'a\\', '; set a.b = 1; --'")
    })
    expect((await standard.query(LEFT)).rows).toEqual([{ left: '' }])
    expect((await standard.query({ text: ifEscaped, rowMode: 'array' })).rows).toHaveLength(1)
  })

  it('T07: a hidden procedure that commits and then fails is run once, whatever code it raises', async () => {
    const pool = await openPool()
    await using failover = withFailover([await openPool()], { probe: { intervalMs: 250 } })
    await pool.query('drop table if exists runs')
    await pool.query('create table runs (id int)')
    const bodyOf = (id: number, code: string): string =>
      `begin insert into runs values (${id}); commit; raise exception 'no' using errcode = '${code}'; end`
    let id = 0
    for (const code of ['25006', '57P03', '40001']) {
      for (const hide of BEHIND_COMMENTS) {
        id++
        await pool.query(
          `create or replace procedure p() language plpgsql as $p$ ${bodyOf(id, code)} $p$`,
        )
        expect(await failureOf(failover.query(hide('call p()')))).toMatchObject({
          executed: 'unknown',
        })
        id++
        const block = hide(`do $p$ ${bodyOf(id, code)} $p$`)
        expect(await failureOf(failover.query(block))).toMatchObject({ executed: 'unknown' })
      }
    }
    const { rows } = await pool.query('select id, count(*)::int as runs from runs group by id')
    expect(rows).toHaveLength(id)
    expect(rows.filter(({ runs }) => runs !== 1)).toEqual([])
  })
})
