import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import {
  type ConnectionPool,
  createPool,
  type PoolerEvent,
  type PoolOptions,
  SessionStateError,
} from '@poolhouse/core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'

let db: PGlite
let server: PGLiteSocketServer
let url: string

beforeAll(async () => {
  db = await PGlite.create()
  server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: 50 })
  await server.start()
  url = `postgres://postgres@${server.getServerConn()}/postgres`
}, 120_000)
afterAll(async () => {
  await server?.stop()
  await db?.close()
})

describe.each(DRIVERS)("PGlite's socket server, over $driver", ({ driver, make }) => {
  const pool = (options: Partial<PoolOptions> = {}): ConnectionPool => {
    const made = createPool({ driver: make(), connection: url, name: 'lite', ...options })
    onTestFinished(() => made.close({ timeoutMs: 0 }))
    return made
  }

  it('T22: many texts at once, by default options, read their own rows, over one connection', async () => {
    const lite = pool()
    const told: PoolerEvent[] = []
    lite.on('pooler', (event) => told.push(event))
    for (let round = 0; round < 8; round++) {
      await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          const text = `select $1::int + ${n % 6} as answer, $2::text as who`
          const { rows } = await lite.query(text, [round, `caller ${n}`])
          expect(rows).toEqual([{ answer: round + (n % 6), who: `caller ${n}` }])
        }),
      )
    }
    expect(lite.stats().total).toBe(1)
    expect(told).toMatchObject([{ oneSession: true, message: expect.stringContaining('max: 1') }])
  })

  it('T22: transactions and streams beside statements read their own rows', async () => {
    const lite = pool()
    await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        if (n % 3 === 0) {
          await lite.transaction(async (tx) => {
            expect((await tx.query('select $1::int as a', [n])).rows).toEqual([{ a: n }])
          })
        } else if (n % 3 === 1) {
          const rows: unknown[] = []
          for await (const row of lite.stream('select $1::int as b', [n])) rows.push(row)
          expect(rows).toEqual([{ b: n }])
        } else {
          expect((await lite.query('select $1::int as c', [n])).rows).toEqual([{ c: n }])
        }
      }),
    )
  })

  it("T22: the user's own names, also of different texts, are never mixed up", async () => {
    const lite = pool()
    for (let n = 0; n < 12; n++) {
      const text = n % 2 === 0 ? 'select $1::int as even' : 'select -$1::int as odd'
      const { rows } = await lite.query({ name: 'mine', text, values: [n] })
      expect(rows).toEqual([n % 2 === 0 ? { even: n } : { odd: -n }])
    }
    await lite.close()
    // The session outlives its connection.
    const next = pool()
    const { rows } = await next.query({ name: 'mine', text: 'select $1::text as x', values: ['y'] })
    expect(rows).toEqual([{ x: 'y' }])
  })

  it('T22: a second pool of the process is refused and told what to do, until the first is closed', async () => {
    const one = pool({ name: 'one' })
    await one.query('select 1')
    const other = pool({ name: 'other' })
    const error = await failureOf(other.query('select 1'))
    expect(error).toMatchObject({ name: 'ConnectError', executed: 'no' })
    expect(error.message).toMatch(/one session for all its connections.*one pool with max: 1/)
    expect(await failureOf(one.openSession())).toMatchObject({ name: 'ConnectError' })
    await one.close()
    await expect
      .poll(() => other.query('select 1 as a').then(({ rows }) => rows))
      .toEqual([{ a: 1 }])
  })

  it('T22: what would stay behind in the session is refused', async () => {
    const lite = pool()
    for (const text of ['set a.b = 1', 'listen jobs', 'create temp table t (a int)']) {
      expect(await failureOf(lite.query(text))).toBeInstanceOf(SessionStateError)
    }
    expect(await failureOf(lite.listen('jobs', () => {}))).toBeInstanceOf(SessionStateError)
  })

  it("T22: as the guide says, with max: 1 and pooler: 'none', a pool has the session to itself", async () => {
    const lite = pool({ max: 1, pooler: 'none' })
    await lite.use(async (lease) => {
      await lease.query("set application_name = 'mine'")
      await lease.query('create temp table own (a int)')
      await lease.query('insert into own values (1)')
      expect((await lease.query('select a from own')).rows).toEqual([{ a: 1 }])
    })
    // Cleaned on release, as on any server.
    expect(await failureOf(lite.query('select a from own'))).toMatchObject({ code: '42P01' })
    for (let n = 0; n < 5; n++) {
      expect((await lite.query('select $1::int as n', [n])).rows).toEqual([{ n }])
      const named = { name: driver, text: 'select $1::int + 1 as n', values: [n] }
      expect((await lite.query(named)).rows).toEqual([{ n: n + 1 }])
    }
    await lite.close()
    const next = pool({ max: 1, pooler: 'none' })
    for (let n = 0; n < 5; n++) {
      expect((await next.query('select $1::int * 2 as n', [n])).rows).toEqual([{ n: n * 2 }])
    }
    // The session outlives the connection and knows the name. It is never run as the text it stands
    // for.
    const named = { name: driver, text: 'select $1::int + 5 as n', values: [1] }
    const outcome = await next.query(named).then(
      ({ rows }) => rows,
      ({ code }: { code: string }) => code,
    )
    expect([[{ n: 6 }], '42P05']).toContainEqual(outcome)
  })
})
