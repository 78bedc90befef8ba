import { types } from 'node:util'
import { expect, test } from 'vitest'
import { ownError } from '../../../src/base/own-error.js'
import { AuthenticationError } from '../../../src/outcome/errors.js'

test('T14: the errors of several callers are equal and share nothing that one of them could write to', () => {
  const cause = new Error('why')
  const error = new AuthenticationError('no entry', {
    endpoint: 'a:5432/app',
    fatal: true,
    sqlState: '28P01',
    cause,
  })
  const copy = ownError(error)
  expect(copy).not.toBe(error)
  expect(copy).toBeInstanceOf(AuthenticationError)
  expect(types.isNativeError(copy)).toBe(true)
  expect({ ...copy }).toEqual({ ...error })
  expect([copy.name, copy.message, copy.stack, copy.cause]).toEqual([
    error.name,
    error.message,
    error.stack,
    cause,
  ])
  Object.assign(copy, { status: 503 })
  expect(error).not.toHaveProperty('status')
})
