import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { type ConnectionPool, createPool, type PoolEventName } from '@poolhouse/core'
import { startWireServer, type WireError } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const SECRET = 'secret 4711'
const EVENTS: readonly PoolEventName[] = ['connect', 'acquire', 'release', 'destroy', 'error']

/**
 * All that a logger, a console or a debugger without a heap dump makes of an error and of its
 * causes.
 */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 12, showHidden: true }), String(value)]
  for (let error = value; error instanceof Error; error = error.cause) {
    const own = Object.getOwnPropertyNames(error).map(
      (name) => `${name}=${String(error[name as never])}`,
    )
    texts.push(error.stack ?? '', JSON.stringify(error), ...own)
  }
  return texts.join('\n')
}

describe.each(everyServer())(
  "errorDetail 'drop', over $driver on PostgreSQL $version",
  ({ make, cluster }) => {
    const pool = async (errorDetail?: 'keep' | 'drop', url?: string): Promise<ConnectionPool> => {
      const connection = url ?? (await cluster()).primary.url
      const made = createPool({ driver: make(), connection, max: 2, errorDetail })
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }

    beforeAll(async () => {
      const { primary } = await cluster()
      await primary.sql('drop table if exists people')
      await primary.sql('create table people (name text primary key, n int)')
      await primary.sql(`insert into people values ('${SECRET}', 1)`)
      await primary.sql('grant all on people to app')
      await primary.sql(`create or replace function speak() returns int language plpgsql as $$
        begin
          raise exception 'no' using detail = '${SECRET}', hint = '${SECRET}';
        end $$`)
      await primary.sql(`create or replace function inner_text() returns int language plpgsql as $$
        begin
          execute 'select $q$${SECRET}$q$ where fault';
          return 1;
        end $$`)
    })

    // What each call fails with, and in which ways the error would tell the secret.
    const FAILURES: readonly (readonly [
      string,
      string,
      (db: ConnectionPool) => Promise<unknown>,
    ])[] = [
      ['a unique violation', '23505', (db) => db.query('insert into people values ($1)', [SECRET])],
      [
        'a named statement',
        '23505',
        (db) => db.query({ name: 'put', text: 'insert into people values ($1)', values: [SECRET] }),
      ],
      ['a raised error', 'P0001', (db) => db.query('select speak()')],
      ['a statement inside a function', '42703', (db) => db.query('select inner_text()')],
      [
        'a transaction',
        '23505',
        (db) => db.transaction((tx) => tx.query('insert into people values ($1)', [SECRET])),
      ],
      ['a stream', 'P0001', (db) => db.stream('select speak()').next()],
      [
        'a copy',
        '23505',
        (db) =>
          db.copyFrom(
            'copy people (name) from stdin',
            (async function* () {
              yield `${SECRET}\n`
            })(),
          ),
      ],
      ['a lease', 'P0001', (db) => db.use((lease) => lease.query('select speak()'))],
    ]

    it.each(FAILURES)(
      'T39: of %s neither the error nor its cause, events and traces tell it',
      async (_what, code, call) => {
        const db = await pool('drop')
        const told: unknown[] = []
        for (const name of EVENTS) db.on(name, (event) => told.push(event))
        const note = (message: unknown): void =>
          void told.push((message as { error?: unknown }).error)
        const handlers = { start: note, end: note, asyncStart: note, asyncEnd: note, error: note }
        const channel = tracingChannel('poolhouse:query')
        channel.subscribe(handlers)
        const error = await failureOf(call(db)).finally(() => channel.unsubscribe(handlers))
        expect(error).toMatchObject({ name: 'DatabaseError', code, severity: 'ERROR' })
        expect(error).toMatchObject({ detail: undefined, hint: undefined, where: undefined })
        expect(error.cause).toBeInstanceOf(Error)
        expect(shown(error)).not.toContain(SECRET)
        expect(told).toContain(error)
        for (const each of told) expect(shown(each)).not.toContain(SECRET)
        // What code decides by stays.
        if (code === '23505') {
          expect(error).toMatchObject({
            table: 'people',
            constraint: 'people_pkey',
            schema: 'public',
          })
        }
      },
    )

    it.each(FAILURES)(
      "T39: of %s everything is told by default, and with 'keep'",
      async (_what, code, call) => {
        for (const errorDetail of [undefined, 'keep'] as const) {
          const error = await failureOf(call(await pool(errorDetail)))
          expect(error).toMatchObject({ code })
          expect(shown(error)).toContain(SECRET)
        }
      },
    )

    it('T39: a session that the server ends, and a log-in that it refuses, tell it neither', async () => {
      const says: WireError = {
        code: '57P01',
        message: 'bye',
        severity: 'FATAL',
        detail: SECRET,
        hint: SECRET,
      }
      await using ending = await startWireServer({
        onStatement: (text) => (text === 'select 1' ? { error: says } : undefined),
      })
      await using refusing = await startWireServer({ auth: { reject: { ...says, code: '28000' } } })
      for (const [url, name] of [
        [ending.url, 'ConnectionLostError'],
        [refusing.url, 'AuthenticationError'],
      ] as const) {
        const error = await failureOf((await pool('drop', url)).query('select 1'))
        expect(error).toMatchObject({ name })
        expect(error.message).toContain('bye')
        expect(shown(error)).not.toContain(SECRET)
        expect(shown(await failureOf((await pool('keep', url)).query('select 1')))).toContain(
          SECRET,
        )
      }
    })

    it('T39: other words are refused', async () => {
      await expect(pool('none' as never)).rejects.toThrow(/errorDetail must be/)
    })
  },
)
