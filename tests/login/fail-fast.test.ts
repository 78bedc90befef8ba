import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { startWireServer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer({ auth: 'scram-sha-256' })
const NOWHERE = 'postgres://app@no-such-host.invalid/app'

/** Listens on a port until the test is over. */
async function listening(program: Server): Promise<number> {
  const sockets = new Set<Socket>()
  program.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    program.close()
    for (const socket of sockets) socket.destroy()
  })
  return (program.address() as AddressInfo).port
}

const greeting = (text: string): Server =>
  createServer((socket) => {
    socket.on('error', () => {})
    socket.write(text)
  })

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  const at = (port: number, query = ''): string => `postgres://app@127.0.0.1:${port}/app${query}`
  const elsewhere = (change: (url: URL) => void): string => {
    const url = new URL(server.url)
    change(url)
    return url.href
  }

  const hopeless: [string, () => Promise<string> | string, RegExp][] = [
    ['a host name that is unknown', () => NOWHERE, /host name is unknown/],
    ['a web server', async () => at(await listening(createHttpServer())), /PostgreSQL/],
    [
      'a web server that is asked for TLS',
      async () => at(await listening(createHttpServer()), '?sslmode=require'),
      /PostgreSQL/,
    ],
    [
      'a server that speaks first',
      async () => at(await listening(greeting('SSH-2.0-x\r\n'))),
      /PostgreSQL/,
    ],
    [
      'a server without TLS that must have it',
      () => elsewhere((url) => url.searchParams.set('sslmode', 'require')),
      /does not support TLS/,
    ],
    ['a wrong password', () => elsewhere((url) => (url.password = 'wrong')), /28P01/],
    ['a missing database', () => elsewhere((url) => (url.pathname = '/no_such_database')), /3D000/],
  ]
  it.each(hopeless)(
    'T84: %s is told at once, to callers and as an event',
    async (_case, url, said) => {
      const pool = openPool({ connection: await url() })
      const events: unknown[] = []
      pool.on('error', ({ error }) => events.push(error))
      const startedAt = performance.now()
      const [error, other] = await Promise.all([
        failureOf(pool.query('select 1')),
        failureOf(pool.acquire()),
      ])
      expect(performance.now() - startedAt).toBeLessThan(5_000)
      expect(error.message).toMatch(said)
      expect(error).toMatchObject({ executed: 'no', statement: 'select 1' })
      expect(['ConnectError', 'AuthenticationError']).toContain(error.name)
      expect(other.name).toBe(error.name)
      expect(events).toContainEqual(expect.objectContaining({ name: error.name }))
    },
  )

  it('T84: a refused port is an event at once, and is waited for within the deadline', async () => {
    await using wire = await startWireServer()
    await wire.refuse()
    const pool = openPool({ connection: wire.url })
    const events: unknown[] = []
    pool.on('error', ({ error }) => events.push(error))
    const call = pool.query('select 1')
    await until(() => events.length > 0, 'the event')
    expect(events[0]).toMatchObject({ name: 'ConnectError', message: /connection refused/ })
    await wire.accept()
    expect((await call).rowCount).toBe(1)
  })

  it('T84: a server that starts (57P03) is an event at once, and is waited for', async () => {
    await using wire = await startWireServer()
    let isUp = false
    wire.onConnect = () =>
      isUp ? undefined : { error: { code: '57P03', message: 'the database system is starting up' } }
    const pool = openPool({ connection: wire.url })
    const events: unknown[] = []
    pool.on('error', ({ error }) => events.push(error))
    const call = pool.query('select 1')
    await until(() => events.length > 0, 'the event')
    expect(events[0]).toMatchObject({ name: 'ConnectError', sqlState: '57P03' })
    isUp = true
    expect((await call).rowCount).toBe(1)
  })

  it('T84: withFailover fails on no node as long as another may answer', async () => {
    const web = at(await listening(createHttpServer()))
    const nodes = [NOWHERE, web, server.url].map((connection, index) =>
      openPool({ connection, name: `node ${index}` }),
    )
    const db = withFailover(nodes)
    expect((await db.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await db.close()
  })

  it('T84: the manager hands failFast on to databases and tenants', async () => {
    await using manager = createManager({
      drivers: { own: make() },
      databases: {
        hasty: { primary: NOWHERE },
        patient: { primary: NOWHERE, pool: { failFast: false, acquireTimeoutMs: 300 } },
      },
      tenants: {
        resolve: (id) => ({ on: id.startsWith('hasty') ? 'hasty' : 'patient', schema: id }),
      },
    })
    for (const db of [manager.database('hasty'), manager.tenant('hasty_one')]) {
      expect((await failureOf(db.query('select 1'))).name).toBe('ConnectError')
    }
    for (const db of [manager.database('patient'), manager.tenant('patient_one')]) {
      expect((await failureOf(db.query('select 1'))).name).toBe('AcquireTimeoutError')
    }
  })
})
