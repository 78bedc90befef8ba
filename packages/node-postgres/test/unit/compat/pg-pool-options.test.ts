import pg from 'pg'
import { expect, test } from 'vitest'
import type { PgLibrary } from '../../../src/compat/pg-library.js'
import { type PgPoolOptions, readPgPoolOptions } from '../../../src/compat/plain/pg-pool-options.js'
import { sslOf } from '../../../src/compat/plain/pg-ssl.js'

const read = (options: PgPoolOptions, Client?: unknown) =>
  readPgPoolOptions(pg as PgLibrary, options, Client)

test('without options the pool is as large and as patient as that of pg', () => {
  expect(read({ host: 'db', user: 'u', database: 'd' })).toEqual({
    pool: {
      connection: {
        host: 'db',
        port: 5432,
        user: 'u',
        database: 'd',
        ssl: undefined,
        parameters: {},
      },
      max: 10,
      min: 0,
      acquireTimeoutMs: 0x7fffffff,
      connectTimeoutMs: 30_000,
      idleTimeoutMs: 10_000,
      maxLifetimeMs: 0,
      maxUses: Number.POSITIVE_INFINITY,
      maxPending: Number.POSITIVE_INFINITY,
      statementTimeoutMs: 0,
      requireAuth: undefined,
      multiplex: undefined,
    },
    keepAliveMs: undefined,
  })
})

test('each option has its counterpart', () => {
  const { pool, keepAliveMs } = read({
    connectionString: 'postgres://u:secret@db:6000/d',
    max: 5,
    min: 9,
    idleTimeoutMillis: null,
    connectionTimeoutMillis: 1_000,
    maxUses: 7,
    maxLifetimeSeconds: 60,
    query_timeout: 2_000,
    statement_timeout: 3_000,
    lock_timeout: 4_000,
    idle_in_transaction_session_timeout: 5_000,
    fallback_application_name: 'app',
    options: '-c search_path=x',
    ssl: { rejectUnauthorized: false },
    sslnegotiation: 'direct',
    enableChannelBinding: false,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10,
    allowExitOnIdle: false,
    requireAuth: ['md5'],
    multiplex: 'auto',
  })
  expect(keepAliveMs).toBe(10)
  expect(pool).toMatchObject({
    connection: {
      host: 'db',
      port: 6000,
      user: 'u',
      password: 'secret',
      database: 'd',
      applicationName: 'app',
      channelBinding: 'disable',
      ssl: { mode: 'require', negotiation: 'direct' },
      parameters: {
        search_path: 'x',
        statement_timeout: 3_000,
        lock_timeout: 4_000,
        idle_in_transaction_session_timeout: 5_000,
      },
    },
    max: 5,
    min: 5,
    idleTimeoutMs: 0,
    acquireTimeoutMs: 1_000,
    connectTimeoutMs: 1_000,
    maxUses: 7,
    maxLifetimeMs: 60_000,
    statementTimeoutMs: 2_000,
    requireAuth: ['md5'],
    multiplex: 'auto',
  })
})

test('TLS is left to a default only where nothing is said about it', () => {
  const of = (options: PgPoolOptions): unknown =>
    (read({ host: 'db', user: 'u', ...options }).pool.connection as { ssl?: unknown }).ssl
  expect(of({})).toBeUndefined()
  expect(of({ ssl: false })).toBe(false)
  expect(of({ connectionString: 'postgres://u@db/d?sslmode=disable' })).toBe(false)
  expect(of({ ssl: true })).toEqual({ mode: 'verify-full' })
  expect(of({ connectionString: 'postgres://u@db/d?ssl=true' })).toEqual({ mode: 'verify-full' })
})

test('an object of tls.connect() becomes a mode, authorities and a name', () => {
  expect(sslOf('x', { ca: ['a', 'b'], servername: 's' }, undefined)).toEqual({
    mode: 'verify-full',
    ca: 'a\nb',
    serverName: 's',
  })
  expect(sslOf('x', { ca: 'a', rejectUnauthorized: false }, undefined)).toEqual({ mode: 'require' })
  expect(() => sslOf('x', { ca: 1 }, undefined)).toThrow('ssl.ca must be PEM text, got 1')
  expect(() => sslOf('x', { pfx: 'p' }, undefined)).toThrow('pfx')
})

test('undefined says nothing, and numbers may be texts', () => {
  expect(read({ max: '20' as never, min: undefined, host: 'db', user: 'u' }).pool.max).toBe(20)
  expect(() => read({ max: 'many' as never })).toThrow('max')
  expect(() => read({ maxUses: -1 })).toThrow('maxUses')
})

test.each([
  [{ stream: () => undefined }, 'stream cannot be'],
  [{ pipeline: true }, "raise max for more at a time, or give multiplex: 'auto'"],
  [{ binary: true }, 'binary: true in the queries'],
  [{ Promise: class {} }, 'promises are those of the language'],
  [{ client_encoding: 'latin1' }, 'UTF-8'],
  [{ Client: class Mine {} }, 'Client cannot be the class Mine'],
  [{ replication: 'database' }, 'use a pg.Client for it'],
  [{ scramMaxIterations: 1 }, 'leave it out'],
  [{ log: 'x' }, 'log must be a function'],
  [{ connectionstring: 'x' }, 'did you mean "connectionString"?'],
])('what cannot be had is refused: %o', (options, message) => {
  expect(() => read(options as never)).toThrow(message)
  expect(
    read({ pipeline: false, Promise: globalThis.Promise, Client: pg.Client as never, user: 'u' }),
  ).toBeDefined()
})
