import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  DatabaseError,
  InDoubtError,
  PoolClosedError,
} from '@poolhouse/core'
import { isRepeatable } from '@poolhouse/core/kit'
import { describe, expect, it } from 'vitest'
import { fateOf, isHint } from '../../../src/base/fate.js'

const endpoint = 'db:5432/app'
const lost = (executed: 'no' | 'unknown' | 'rolled-back'): Error =>
  new ConnectionLostError('lost', { executed })
const database = (code: string, severity = 'ERROR'): Error =>
  new DatabaseError('refused', { code, severity })
const raised = (code: string): Error =>
  new DatabaseError('raised', { code, severity: 'ERROR', routine: 'exec_stmt_raise' })
const gauges = {
  pool: 'a',
  endpoint,
  total: 1,
  idle: 0,
  leased: 1,
  connecting: 0,
  pending: 0,
  max: 1,
}

describe('what becomes of failed work', () => {
  it.each([
    ['lost before it was sent', lost('no'), 'resend', true, true],
    ['lost on the way', lost('unknown'), 'in-doubt', true, false],
    ['rolled back with its session', lost('rolled-back'), 'surface', true, true],
    [
      'a connection that could not be opened',
      new ConnectError('x', { endpoint }),
      'resend',
      true,
      false,
    ],
    ['no such database', new ConnectError('x', { endpoint, fatal: true }), 'surface', false, false],
    [
      'wrong password',
      new AuthenticationError('x', { endpoint, fatal: true }),
      'surface',
      false,
      false,
    ],
    ['a write on a read-only server', database('25006'), 'misrouted', true, true],
    ['a server that is starting up', database('57P03', 'FATAL'), 'resend', true, true],
    ['a session that the server ended', database('57P01', 'FATAL'), 'in-doubt', true, false],
    [
      'a session that was idle for too long',
      new ConnectionLostError('x', { executed: 'no', sqlState: '57P05' }),
      'resend',
      false,
      true,
    ],
    ['T60: a function that raises 25006', raised('25006'), 'surface', false, false],
    ['T60: a function that raises 57P03', raised('57P03'), 'surface', false, false],
    ['T04: a function that raises 57P01', raised('57P01'), 'surface', false, false],
    ['T04: a function that raises 08006', raised('08006'), 'surface', false, false],
    ['a duplicate key', database('23505'), 'surface', false, false],
    ['a serialization failure', database('40001'), 'surface', false, true],
    ['a COMMIT without an answer', new InDoubtError('x'), 'surface', false, false],
    ['an exhausted pool', new AcquireTimeoutError(1, gauges), 'surface', false, false],
    ['a closed pool', new PoolClosedError('a'), 'surface', false, false],
    ['a wrong argument', new TypeError('x'), 'surface', false, false],
    ['a value that a callback threw', 'text', 'surface', false, false],
  ])('%s', (_title, error, fate, hint, repeatable) => {
    expect(fateOf(error)).toBe(fate)
    expect(isHint(error)).toBe(hint)
    expect(isRepeatable(error)).toBe(repeatable)
  })
})
