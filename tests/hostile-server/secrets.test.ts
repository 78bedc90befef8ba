import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import type { ConnectionPool, PoolEventName } from '@poolhouse/core'
import { startFaultProxy, startWireServer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer({ auth: 'scram-sha-256' })

/**
 * Everything that a console, a logger, a serialiser or a debugger without a heap dump makes of a
 * value.
 */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 12, showHidden: true }), inspect(value), String(value)]
  try {
    texts.push(JSON.stringify(value) ?? '')
  } catch {
    // What refers to itself cannot be serialised, and shows nothing that way.
  }
  for (let error = value; error instanceof Error; error = error.cause) {
    texts.push(error.stack ?? '', JSON.stringify(Object.getOwnPropertyDescriptors(error)))
  }
  return texts.join('\n')
}

/** The forms in which a secret gets into a text. */
const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  Buffer.from(secret).toString('base64'),
]

function expectHidden(secret: string, ...values: readonly unknown[]): void {
  for (const value of values) {
    const text = shown(value)
    for (const form of formsOf(secret)) expect(text).not.toContain(form)
  }
}

const EVENTS: readonly PoolEventName[] = ['connect', 'acquire', 'release', 'destroy', 'error']

/** Everything that the pool and the tracing channels tell until the test is over. */
function listenToAll(pool: ConnectionPool): unknown[] {
  const told: unknown[] = []
  for (const name of EVENTS) pool.on(name, (event) => told.push(event))
  const note = (message: unknown): void => void told.push({ ...(message as object) })
  const handlers = { start: note, end: note, asyncStart: note, asyncEnd: note, error: note }
  for (const kind of ['connect', 'acquire', 'query']) {
    const channel = tracingChannel(`poolhouse:${kind}`)
    channel.subscribe(handlers)
    onTestFinished(() => void channel.unsubscribe(handlers))
  }
  return told
}

describe.each(DRIVERS)('over $driver', ({ driver, make }) => {
  const openPool = server.poolsOver(make())

  describe('the password', () => {
    it.each(['in the URL', 'as a parameter of the URL', 'from a function'] as const)(
      'X06: given %s, is in nothing that can be printed of what works',
      async (place) => {
        const { user, password, database } = server.cluster
        const host = { host: '127.0.0.1', port: server.port }
        const bare = `postgres://${user}@127.0.0.1:${server.port}/${database}`
        const pool = openPool({
          connection: {
            'in the URL': server.url,
            'as a parameter of the URL': `${bare}?password=${encodeURIComponent(password)}`,
            'from a function': { ...host, user, database, password: async () => password },
          }[place],
        })
        const told = listenToAll(pool)
        const lease = await pool.acquire()
        await lease.query('select 1')
        const session = await pool.openSession()
        const subscription = await pool.listen('news', () => {})
        const stream = pool.stream('select 1')
        expectHidden(password, pool, pool.stats(), pool.inspect(), stream, subscription)
        expectHidden(password, lease, lease.raw, session)
        await pool.transaction(async (tx) => expectHidden(password, tx))
        for await (const _ of stream) break
        lease.release()
        await Promise.all([session.close(), subscription.close()])
        await pool.close()
        expect(told.length).toBeGreaterThan(5)
        expectHidden(password, told)
      },
    )

    it('X06: is in no error, in none of its causes and in no event when the server refuses it', async () => {
      const wrong = 'wrong %/@"\\ 4711'
      const { user, database } = server.cluster
      const bare = `127.0.0.1:${server.port}/${database}`
      for (const connection of [
        `postgres://${user}:${encodeURIComponent(wrong)}@${bare}`,
        `postgres://${user}@${bare}?password=${encodeURIComponent(wrong)}`,
      ]) {
        const pool = openPool({ connection })
        const told = listenToAll(pool)
        const error = await failureOf(pool.query('select 1'))
        expect(error).toMatchObject({ name: 'AuthenticationError', sqlState: '28P01' })
        await pool.close()
        expect(told.length).toBeGreaterThan(0)
        expectHidden(wrong, error, told, pool)
      }
    })

    it('X06: is in no error of a server that cannot be reached, hangs up or repeats what it was sent', async () => {
      const secret = 'never 4711 shown'
      await using rude = await startWireServer({ onConnect: () => ({ close: true }) })
      await using proxy = await startFaultProxy(server.url)
      proxy.blackHole()
      for (const port of [1, rude.port, proxy.port]) {
        const connection = {
          host: '127.0.0.1',
          port,
          user: 'app',
          database: 'app',
          password: secret,
        }
        const pool = openPool({ connection, acquireTimeoutMs: 250, connectTimeoutMs: 200 })
        const told = listenToAll(pool)
        const error = await failureOf(pool.query('select 1'))
        expect(error).toMatchObject({ executed: 'no' })
        expectHidden(secret, error, told, pool)
        await pool.close()
      }
    })

    it('X06: is not in what Node.js prints of a crash', async () => {
      const wrong = 'wrong-4711'
      const url = server.url.replace(/:[^:@]*@/, `:${wrong}@`)
      const child = startChild('crashing-child', [url, driver])
      expect(await child.ended).toBe(1)
      const printed = child.errors.join('\n')
      expect(printed).toContain('AuthenticationError')
      expect(printed).not.toContain(wrong)
    })
  })

  describe('an error', () => {
    const TEXT = `select /* pricing model 4711 */ $1::text, 1 / $2::int as quotient`
    const VALUE = 'value 0815'
    const TEXT_PART = 'pricing model 4711'
    /** Values are nowhere; the text is where a caller asks for it, and in nothing that prints. */
    const expectTextHidden = (...errors: readonly unknown[]): void => {
      expectHidden(VALUE, ...errors)
      for (const error of errors) {
        const printed = [inspect(error, { depth: 12 }), String(error), JSON.stringify(error)]
        for (const text of printed) expect(text).not.toContain(TEXT_PART)
      }
    }

    it('X22: has code, severity and outcome, and no value of its statement, and prints no text of it', async () => {
      const pool = openPool({ max: 1 })
      const statement = { text: TEXT, values: [VALUE, 0] }
      const told = listenToAll(pool)
      const named = { ...statement, name: 'pricing' }
      for (const call of [
        () => pool.query(statement),
        () => pool.query(named),
        () => pool.query({ ...statement, rowMode: 'array' }),
        () => pool.use((lease) => lease.query(statement)),
        () => pool.transaction((tx) => tx.query(statement)),
        () => pool.stream(statement).next(),
      ]) {
        const error = await failureOf(call())
        expect(error).toMatchObject({
          name: 'DatabaseError',
          code: '22012',
          severity: 'ERROR',
          executed: 'rolled-back',
          statement: TEXT,
          cause: { code: '22012' },
        })
        expectTextHidden(error)
      }
      // Events tell what happened to connections, not what was asked of them.
      expectTextHidden(told.filter((event) => !('statement' in (event as object))))
    })

    it('X22: keeps the place of a mistake as a number, so that the text need not be repeated', async () => {
      const error = await failureOf(openPool().query('select /* pricing model 4711 */ nothing'))
      expect(error).toMatchObject({ code: '42703', position: 33 })
      expectTextHidden(error)
    })

    it('X22: shows neither when the call is aborted, late or lost, or never had a connection', async () => {
      const pool = openPool({ max: 2 })
      const text = `select /* pricing model 4711 */ pg_sleep(30), $1::text`
      const values = [VALUE]
      await pool.warm(2)
      const abort = new AbortController()
      const late = failureOf(pool.query(text, values, { timeoutMs: 100 }))
      const aborted = failureOf(pool.query(text, values, { signal: abort.signal }))
      const queued = failureOf(pool.query(text, values, { timeoutMs: 50 }))
      expect((await queued).name).toBe('AcquireTimeoutError')
      expect((await late).name).toBe('StatementTimeoutError')
      abort.abort()
      expect((await aborted).name).toBe('AbortError')
      // Another text: those before may still be on their way to being cancelled.
      const doomed = text.replace('30', '31')
      const lost = failureOf(pool.query(doomed, values))
      const transaction = failureOf(pool.transaction((tx) => tx.query(doomed, values)))
      const running = `state = 'active' and query like '%pg_sleep(31)%'`
      await until(async () => (await server.sessions(running)) === 2, 'the statements to run')
      await server.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' and ${running}`,
      )
      expect((await lost).name).toBe('ConnectionLostError')
      expect(await transaction).toMatchObject({ executed: 'rolled-back' })
      expectTextHidden(await late, await aborted, await queued, await lost, await transaction)
    })
  })
})
