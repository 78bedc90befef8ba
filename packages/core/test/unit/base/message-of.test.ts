import { expect, test } from 'vitest'
import { endWithCode, messageOf } from '../../../src/base/message-of.js'
import { DatabaseError } from '../../../src/outcome/database-error.js'
import { ConnectError, NoPrimaryError } from '../../../src/outcome/errors.js'
import { PoolhouseError } from '../../../src/outcome/poolhouse-error.js'

test('the message of an error ends with its code, and that of a server’s error is as it came', () => {
  expect(new NoPrimaryError('no primary').message).toBe('no primary; see POOLHOUSE_NO_PRIMARY')
  const drain = new PoolhouseError('node "a" is the primary', { code: 'POOLHOUSE_DRAIN' })
  expect(drain.message).toBe('node "a" is the primary; see POOLHOUSE_DRAIN')
  expect(drain.stack).toContain(drain.message)
  const refused = new DatabaseError('no such table', { code: '42P01', severity: 'ERROR' })
  expect(refused.message).toBe('no such table')
})

test('an error that quotes another one has its own code alone', () => {
  const cause = new ConnectError('refused', { endpoint: 'a:5432/app' })
  const twice = new NoPrimaryError(`no primary: a: ${cause.message}, b: ${cause.message}`, cause)
  expect(twice.message).toBe('no primary: a: refused, b: refused; see POOLHOUSE_NO_PRIMARY')
  expect(endWithCode(cause.message, cause.code)).toBe(cause.message)
})

test('a text that is made of an error leaves its code out', () => {
  expect(messageOf(new ConnectError('refused', { endpoint: 'a:5432/app' }))).toBe('refused')
  expect(messageOf(new Error('why'))).toBe('why')
  expect(messageOf(7)).toBe('7')
})
