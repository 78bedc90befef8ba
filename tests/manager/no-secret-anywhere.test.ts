import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { createMarkerTable, type Lease, type Pool, type PoolEventName } from '@poolhouse/core'
import { createHealthHandlers, createManager } from '@poolhouse/manager'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const EVENTS: readonly PoolEventName[] = [
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'topology',
  'fenced',
  'split-brain',
  'foreign',
  'hold',
  'resume',
  'in-doubt',
  'pooler',
  'durability',
  'ejected',
  'admitted',
  'token',
  'error',
]

// Values that calls carry, each with a mark of its own.
const VALUE = 'value-3141592653'
const KEY = 'idempotency-2718281828'
const SETTING = 'setting-1618033988'
const SOURCE = 'copied-1414213562'

/** Everything that a console, a logger or a serialiser makes of a value. */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 12, showHidden: true }), String(value)]
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

/**
 * Notes what a pool and the tracing channels tell until the test is over; results are the caller's
 * own and are left out.
 */
function listen(pools: readonly Pool[], told: unknown[]): void {
  for (const pool of pools) for (const name of EVENTS) pool.on(name, (event) => told.push(event))
  const note = (message: object): void => {
    const { result: _result, ...rest } = message as { result?: unknown }
    told.push(rest)
  }
  const handlers = { start: note, end: note, asyncStart: note, asyncEnd: note, error: note }
  for (const kind of ['connect', 'acquire', 'query']) {
    const channel = tracingChannel<object>(`poolhouse:${kind}`)
    channel.subscribe(handlers as never)
    onTestFinished(() => void channel.unsubscribe(handlers as never))
  }
}

describe.each(everyServer())(
  'a manager at work over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    it('T31, T36, T39: no message, event, trace, inspection or health answer of a run holds a secret', async () => {
      const { primary, user, password, database } = await cluster()
      await primary.sql('drop table if exists secrets')
      await primary.sql(
        'create table secrets (id int primary key, text text check (length(text) < 99))',
      )
      await primary.sql(`grant all on secrets to ${user}; grant create on schema public to ${user}`)
      await using manager = createManager({
        drivers: { only: make() },
        databases: {
          app: {
            primary: { host: primary.host, port: primary.port, user, password, database },
            pool: { max: 3, errorDetail: 'drop', statementTimeoutMs: 5_000 },
          },
        },
        tenants: { resolve: () => ({ on: 'app', settings: { 'app.tenant': SETTING } }) },
      })
      const app = manager.database('app')
      const tenant = manager.tenant('acme')
      const told: unknown[] = []
      listen([app, tenant], told)
      await manager.ready()
      await createMarkerTable(app)
      const held: Lease = await app.acquire()
      await held.query('select $1::text', [VALUE])
      const insert = 'insert into secrets values ($1, $2)'
      await app.query(insert, [1, VALUE])
      await tenant.transaction((tx) => tx.query(insert, [2, VALUE]), { idempotencyKey: KEY })
      for await (const row of app.stream('select $1::text as text', [VALUE])) void row
      await app.copyFrom('copy secrets from stdin', [`3\t${SOURCE}\n`])
      const abort = new AbortController()
      const aborted = failureOf(
        app.query('select pg_sleep(10), $1::text', [VALUE], { signal: abort.signal }),
      )
      abort.abort()
      const errors = [
        await failureOf(app.query(insert, [1, VALUE])),
        await failureOf(app.query(insert, [4, VALUE.repeat(9)])),
        await failureOf(app.query('select $1::text as text, 1/0', [VALUE])),
        await failureOf(app.query('select pg_sleep(9), $1::text', [VALUE], { timeoutMs: 20 })),
        await failureOf(app.copyFrom('copy secrets from stdin', [`3\t${SOURCE}\n`])),
        await failureOf(
          tenant.transaction((tx) => tx.query(insert, [1, VALUE]), { idempotencyKey: `${KEY}b` }),
        ),
        await failureOf(app.transaction((tx) => tx.savepoint((s) => s.query(insert, [1, VALUE])))),
        await aborted,
      ]
      const { readyz } = createHealthHandlers(manager)
      const answers = [await readyz.answer(), manager.health(), manager.explainConfig()]
      const state = [manager, app, tenant, held, app.stats(), manager.stats({ tenants: ['acme'] })]
      held.release()
      for (const secret of [password, VALUE, KEY, SETTING, SOURCE]) {
        for (const value of [...errors, ...told, ...answers, ...state]) {
          const text = shown(value)
          expect(text.includes(secret) ? text.slice(0, 500) : '').toBe('')
        }
      }
      expect(told.length).toBeGreaterThan(20)
      for (const place of [primary.host, String(primary.port), user]) {
        expect(JSON.stringify(answers[0])).not.toContain(place)
      }
    })
  },
)
