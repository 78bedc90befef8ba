import { expect, test, vi } from 'vitest'
import * as core from '../../../src/index.js'
import { toUnansweredError } from '../../../src/net/frames/server-error.js'
import { setNode, setRetryable } from '../../../src/outcome/database-error.js'

const endpoint = 'db:5432/app'
const gauges = {
  pool: 'p',
  endpoint,
  total: 1,
  idle: 0,
  leased: 1,
  connecting: 0,
  pending: 2,
  max: 1,
}

function oneOfEach(from: typeof core): core.PoolhouseError[] {
  return [
    new from.PoolhouseError('m'),
    new from.AcquireTimeoutError(5, gauges),
    new from.PoolOverloadedError('maxPending is 1', gauges),
    new from.PoolClosedError('p'),
    new from.LeaseReleasedError('p'),
    new from.PoolDeadlockError('p', 'held', 'waiting'),
    new from.ConnectError('m', { endpoint }),
    new from.AuthenticationError('m', { endpoint, fatal: true }),
    new from.ConnectionLostError('m', { executed: 'unknown' }),
    new from.StatementTimeoutError(5, { executed: 'rolled-back', pool: 'p' }),
    new from.AbortError('reason', 'no'),
    new from.DatabaseError('m', { code: '23505', severity: 'ERROR' }),
    new from.TransactionError('m'),
    new from.NoPrimaryError('m'),
    new from.NoSuitableNodeError('m'),
    new from.FencedError('m'),
    new from.InDoubtError('m'),
    new from.ReadIntentError('m'),
    new from.UnknownTenantError('m'),
    new from.WrongTenantError('m'),
    new from.ConfigError('m'),
  ]
}

test('the codes, outcomes and retryable flags of all classes are stable', () => {
  const table = oneOfEach(core).map((error) =>
    [error.name, error.code, error.executed, error.retryable ? 'retryable' : '-'].join(' '),
  )
  expect(table).toMatchInlineSnapshot(`
    [
      "PoolhouseError POOLHOUSE_ERROR no -",
      "AcquireTimeoutError POOLHOUSE_ACQUIRE_TIMEOUT no retryable",
      "PoolOverloadedError POOLHOUSE_POOL_OVERLOADED no retryable",
      "PoolClosedError POOLHOUSE_POOL_CLOSED no -",
      "LeaseReleasedError POOLHOUSE_LEASE_RELEASED no -",
      "PoolDeadlockError POOLHOUSE_POOL_DEADLOCK no retryable",
      "ConnectError POOLHOUSE_CONNECT no retryable",
      "AuthenticationError POOLHOUSE_AUTHENTICATION no -",
      "ConnectionLostError POOLHOUSE_CONNECTION_LOST unknown -",
      "StatementTimeoutError POOLHOUSE_STATEMENT_TIMEOUT rolled-back -",
      "AbortError POOLHOUSE_ABORT no -",
      "DatabaseError 23505 rolled-back -",
      "TransactionError POOLHOUSE_TRANSACTION no -",
      "NoPrimaryError POOLHOUSE_NO_PRIMARY no retryable",
      "NoSuitableNodeError POOLHOUSE_NO_SUITABLE_NODE no retryable",
      "FencedError POOLHOUSE_FENCED no -",
      "InDoubtError POOLHOUSE_IN_DOUBT unknown -",
      "ReadIntentError POOLHOUSE_READ_INTENT no -",
      "UnknownTenantError POOLHOUSE_UNKNOWN_TENANT no -",
      "WrongTenantError POOLHOUSE_WRONG_TENANT no -",
      "ConfigError POOLHOUSE_CONFIG no -",
    ]
  `)
})

test('errors of another copy of the package are instances of the same classes as ours', async () => {
  vi.resetModules()
  const other = await import('../../../src/index.js')
  expect(other.PoolhouseError).not.toBe(core.PoolhouseError)
  const [mine, theirs] = [oneOfEach(core), oneOfEach(other)]
  for (const [index, error] of theirs.entries()) {
    const twin = mine[index]!
    expect(error).toBeInstanceOf(core.PoolhouseError)
    expect(core.isPoolhouseError(error, error.code as core.PoolhouseErrorCode)).toBe(true)
    for (const candidate of mine) {
      const type = candidate.constructor as new () => unknown
      expect(error instanceof type, `${error.name} as ${candidate.name}`).toBe(twin instanceof type)
    }
  }
})

test('a subclass is an instance of its bases, and a base is none of its subclasses', () => {
  const authentication = new core.AuthenticationError('m', { endpoint })
  expect(authentication).toBeInstanceOf(core.ConnectError)
  expect(authentication).toBeInstanceOf(Error)
  expect(new core.ConnectError('m', { endpoint })).not.toBeInstanceOf(core.AuthenticationError)
})

test('instanceof of a class that a user derives accepts its own instances only', () => {
  class MyTimeout extends core.AcquireTimeoutError {}
  const mine = new MyTimeout(1, gauges)
  expect(mine).toBeInstanceOf(MyTimeout)
  expect(mine).toBeInstanceOf(core.AcquireTimeoutError)
  expect(new core.AcquireTimeoutError(1, gauges)).not.toBeInstanceOf(MyTimeout)
})

test('no other value is taken for a Poolhouse error', () => {
  for (const value of [
    undefined,
    null,
    7,
    'POOLHOUSE_CONNECT',
    {},
    new Error('m'),
    { name: 'ConnectError' },
  ]) {
    expect(value instanceof core.PoolhouseError).toBe(false)
    expect(core.isPoolhouseError(value)).toBe(false)
  }
  expect(core.isPoolhouseError(new core.PoolClosedError('p'), 'POOLHOUSE_CONNECT')).toBe(false)
})

test.each([
  ['23505', 'ERROR', 'rolled-back', false],
  ['40001', 'ERROR', 'rolled-back', true],
  ['40P01', 'ERROR', 'rolled-back', true],
  ['55P03', 'ERROR', 'rolled-back', true],
  ['25006', 'ERROR', 'no', true],
  ['57P03', 'FATAL', 'no', true],
  ['53300', 'FATAL', 'no', true],
  ['28P01', 'FATAL', 'no', false],
  ['3D000', 'FATAL', 'no', false],
  ['57P01', 'FATAL', 'unknown', false],
  ['XX000', 'PANIC', 'unknown', false],
  ['40003', 'ERROR', 'rolled-back', false],
  ['08007', 'ERROR', 'rolled-back', false],
])(
  'an error %s %s from the server says executed %s, retryable %s',
  (code, severity, executed, retryable) => {
    const cause = new Error('of the driver')
    const error = new core.DatabaseError(
      'm',
      { code, severity, detail: 'd', constraint: 'c' },
      cause,
    )
    expect(error).toMatchObject({
      code,
      severity,
      executed,
      retryable,
      detail: 'd',
      constraint: 'c',
      cause,
    })
  },
)

const LOGIN_RETRY = 'server login has been failing, try again later (server_login_retry)'
test.each([
  [LOGIN_RETRY, 'FATAL', 'no', true],
  [
    'server login has been failing, cached error: connect failed (server_login_retry)',
    'FATAL',
    'no',
    true,
  ],
  ['query_wait_timeout', 'FATAL', 'no', true],
  // Said of a server that was at work.
  ['server conn crashed?', 'FATAL', 'unknown', false],
  ['query timeout', 'FATAL', 'unknown', false],
  ['something (server_login_retry)', 'FATAL', 'unknown', false],
])('08P01 "%s" as %s says executed %s, retryable %s', (message, severity, executed, retryable) => {
  const error = new core.DatabaseError(message, { code: '08P01', severity })
  expect(error).toMatchObject({ executed, retryable })
  expect(toUnansweredError(error, new Error('end of stream'), true)).toMatchObject({ executed })
})

test('an error has a property cause only if a cause was given, which may be any value but undefined', () => {
  expect(Object.hasOwn(new core.PoolhouseError('m'), 'cause')).toBe(false)
  expect(Object.hasOwn(new core.PoolhouseError('m', { cause: undefined }), 'cause')).toBe(false)
  expect(new core.AbortError(0, 'no').cause).toBe(0)
})

test('learns which server it came from, and that another attempt may succeed', () => {
  const error = new core.DatabaseError('m', { code: '23505', severity: 'ERROR' })
  expect([error.node, error.retryable]).toEqual([undefined, false])
  setNode(error, 'db1:5432')
  setNode(error, 'db2:5432')
  setRetryable(error)
  expect([error.node, error.retryable]).toEqual(['db2:5432', true])
  expect(Object.keys(error)).toContain('retryable')
  expect(Object.keys(error)).not.toContain('node')
})
