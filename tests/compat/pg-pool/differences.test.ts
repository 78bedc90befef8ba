import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Pool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import type { TestServer } from '../../support/servers/test-server.js'
import { until } from '../../support/until.js'
import { BOTH, describePgPools, emitted, type PgPools } from '../support/pg-pools.js'

guardProcess()

/** One thing that the two do differently: what each shows when `look` looks at it. */
interface Difference {
  look(pools: PgPools): Promise<unknown> | unknown
  readonly theirs: unknown
  readonly ours: unknown
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

// An address of this machine that other machines could use.
const OUTSIDE = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address

/** A port on all addresses of this machine that leads to the server. */
async function relayTo({ port }: TestServer): Promise<{ port: number }> {
  const relay = createServer((socket) => {
    const line = connect(port, '127.0.0.1')
    socket.on('error', () => line.destroy()).pipe(line)
    line.on('error', () => socket.destroy()).pipe(socket)
  })
  onTestFinished(() => void relay.close())
  await new Promise<void>((resolve) => relay.listen(0, resolve))
  return relay.address() as { port: number }
}

/** By the headings of the guide. */
const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'A query that fails keeps its connection': {
    async look({ make }) {
      const pool = make({ max: 1 })
      await failureOf(pool.query('select no_such_column'))
      return pool.totalCount
    },
    theirs: 0,
    ours: 1,
  },
  'A session is reset before it is lent again': {
    async look({ make }) {
      const pool = make({ max: 1 })
      const client = await pool.connect()
      await client.query(`set work_mem = '1MB'`)
      await client.query('begin')
      client.release()
      const next = await pool.connect()
      const { rows } = await next.query(
        `select current_setting('work_mem') = '1MB' as set, now() = statement_timestamp() as fresh`,
      )
      await next.query('rollback')
      next.release()
      return rows
    },
    theirs: [{ set: true, fresh: false }],
    ours: [{ set: false, fresh: true }],
  },
  'A released client runs nothing': {
    async look({ make }) {
      const client = await make().connect()
      client.release()
      return await client.query('select 1 as n').then(
        ({ rows }) => rows,
        (error: Error) => error.message.includes('released'),
      )
    },
    theirs: [{ n: 1 }],
    ours: true,
  },
  'Type parsers of a borrower end with the borrowing': {
    async look({ make }) {
      const pool = make({ max: 1 })
      const client = await pool.connect()
      client.setTypeParser(23, (text) => `<${text}>`)
      client.release()
      return (await pool.query('select 1 as n')).rows
    },
    theirs: [{ n: '<1>' }],
    ours: [{ n: 1 }],
  },
  'A lost connection without a listener does not end the process': {
    async look({ make, server }) {
      const pool = make({ max: 1 })
      let unheard = 0
      const { emit } = pool
      pool.emit = (event: string, ...args: unknown[]) => {
        // Where `emit` would throw.
        if (event === 'error') unheard++
        return event === 'error' || emit.call(pool, event, ...args)
      }
      const { rows } = await pool.query('select pg_backend_pid() as pid')
      await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
      await until(() => pool.totalCount === 0)
      await pause(20)
      return unheard > 0
    },
    theirs: true,
    ours: false,
  },
  'An error that the application emits says nothing about the connection': {
    async look({ make }) {
      const pool = make({ max: 1 })
      pool.on('error', () => {})
      const client = await pool.connect()
      client.on('error', () => {})
      client.release()
      client.emit('error', new Error('made up'))
      return pool.totalCount
    },
    theirs: 0,
    ours: 1,
  },
  'What ends a lost transaction says how it was lost': {
    async look({ make, server }) {
      const client = await make({ max: 1 }).connect()
      client.on('error', () => {})
      const { rows } = await client.query('select pg_backend_pid() as pid')
      await client.query('begin')
      const lost = failureOf(client.query('select pg_sleep(60)'))
      await server.sql('select pg_terminate_backend($1)', [rows[0].pid])
      const told = await lost
      const refused = await failureOf(client.query('rollback'))
      client.release(true)
      return refused === told
    },
    theirs: false,
    ours: true,
  },
  'A transaction cannot be begun through the pool': {
    async look({ make }) {
      return await make()
        .query('begin')
        .then(
          ({ command }) => command,
          (error: Error) => error.name,
        )
    },
    theirs: 'BEGIN',
    ours: 'TransactionError',
  },
  'min connections are opened and kept': {
    async look({ make }) {
      const pool = make({ min: 2 })
      await pool.query('select 1')
      await pause(200)
      return pool.totalCount
    },
    theirs: 1,
    ours: 2,
  },
  'Connections are opened when they help': {
    async look({ make }) {
      const pool = make({ max: 10 })
      await Promise.all(Array.from({ length: 10 }, () => pool.query('select 1')))
      return pool.totalCount < 10
    },
    theirs: false,
    ours: true,
  },
  'A server that refuses is not asked at once again': {
    async look({ make }) {
      let connects = 0
      const refusing = createServer((socket) => {
        connects++
        socket.destroy()
      })
      await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
      const { port } = refusing.address() as { port: number }
      const pool = make({ connectionString: `postgres://app@127.0.0.1:${port}/app` })
      for (let call = 0; call < 20; call++) await failureOf(pool.connect())
      refusing.close()
      return connects < 20
    },
    theirs: false,
    ours: true,
  },
  'A statement that takes longer than query_timeout is cancelled': {
    async look({ make, server }) {
      const pool = make({ query_timeout: 50, max: 1 })
      const client = await pool.connect()
      client.on('error', () => {})
      await failureOf(client.query('select pg_sleep(2)'))
      await pause(100)
      const running = await server.sessions(`state = 'active' and query like '%pg_sleep%'`)
      client.release(true)
      return running
    },
    theirs: 1,
    ours: 0,
  },
  'Lifetimes end up to a tenth early': {
    async look({ make }) {
      vi.spyOn(Math, 'random').mockReturnValue(0.999)
      const pool = make({ maxLifetimeSeconds: 3, idleTimeoutMillis: 0 })
      await pool.query('select 1')
      const begun = performance.now()
      const removed = emitted(pool, 'remove')
      await removed
      return performance.now() - begun < 2_950
    },
    theirs: false,
    ours: true,
  },
  'An idle pool never keeps the process alive': {
    async look({ make }) {
      const sockets = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
      await pause(50)
      const before = sockets()
      await make({ idleTimeoutMillis: 0 }).query('select 1')
      await pause(50)
      return sockets() - before
    },
    theirs: 1,
    ours: 0,
  },
  'TLS is verified unless it is refused': {
    async look({ make, server }) {
      // A name that is not local, although it leads here.
      const { port } = await relayTo(server)
      const pool = make({ connectionString: `postgres://app@${OUTSIDE}:${port}/app` })
      return await pool.query('select 1 as n').then(
        ({ rows }) => rows,
        (error: Error) => error.message.includes('ssl'),
      )
    },
    theirs: [{ n: 1 }],
    ours: true,
  },
  'Passwords are proved by SCRAM': {
    async look({ make, server }) {
      const url = new URL(server.url)
      url.password = 'whatever'
      return await make({ connectionString: url.href })
        .query('select 1 as n')
        .then(
          ({ rows }) => rows,
          (error: Error) => error.message.includes('requireAuth'),
        )
    },
    theirs: [{ n: 1 }],
    ours: true,
  },
  'Options that cannot be had are refused': {
    look({ isOurs }) {
      const Kind = isOurs ? Pool : pg.Pool
      const names = ['stream', 'pipeline', 'binary', 'Client', 'Promise', 'replication', 'nonsense']
      return names.filter((name) => {
        try {
          new Kind({ [name]: class {} } as never)
          return false
        } catch (error) {
          return (error as Error).message.startsWith('new Pool: ')
        }
      })
    },
    theirs: [],
    ours: ['stream', 'pipeline', 'binary', 'Client', 'Promise', 'replication', 'nonsense'],
  },
  'What a client shows of its connection costs that connection': {
    async look({ make }) {
      const pool = make({ max: 1 })
      const client = await pool.connect()
      const used = client.connection !== undefined
      client.release()
      await pool.query('select 1')
      await pause(50)
      const next = await pool.connect()
      next.release()
      return [used, next === client]
    },
    theirs: [true, true],
    ours: [true, false],
  },
  'The fields of pg-pool are empty': {
    async look({ make }) {
      const pool = make()
      await pool.query('select 1')
      return (pool as unknown as { _clients: unknown[] })._clients.length
    },
    theirs: 1,
    ours: 0,
  },
}

describePgPools(BOTH, (pools) => {
  test.each(Object.entries(DIFFERENCES))('%s', async (title, { look, theirs, ours }) => {
    // On a machine that no other can reach.
    if (title.startsWith('TLS') && OUTSIDE === undefined) return
    expect(await look(pools)).toEqual(pools.isOurs ? ours : theirs)
  })
})

test('each difference is explained in the guide, and the guide explains no other', () => {
  const page = fileURLToPath(
    new URL('../../../docs/guides/pg-pool-differences.md', import.meta.url),
  )
  const headings = [...readFileSync(page, 'utf8').matchAll(/^### (.+)$/gm)].map(
    ([, title]) => title,
  )
  expect(headings).toEqual(Object.keys(DIFFERENCES))
})

test('options are refused with their name, their value and the way out', () => {
  const refusalOf = (options: object, Client?: unknown): string => {
    try {
      new Pool(options, Client as never)
    } catch (error) {
      return (error as Error).message
    }
    return 'none'
  }
  expect(refusalOf({ pipeline: true })).toBe(
    "new Pool: pipeline cannot be true: a client runs one statement at a time; leave it out, and raise max for more at a time, or give multiplex: 'auto'",
  )
  expect(refusalOf({ maxx: 3 })).toContain('did you mean "max"?')
  expect(refusalOf({ max: -1 })).toContain('max')
  expect(refusalOf({}, class Other {})).toContain('Client cannot be the class Other')
  expect(refusalOf({ ssl: { ciphers: 'x' } })).toContain('ciphers')
  expect(refusalOf({ ssl: 'yes' })).toContain('ssl must be a boolean or an object')
  expect(refusalOf({ verify: 1 })).toContain('verify must be a function')
})
