import {
  type AcquireTimeoutError,
  ConnectError,
  type DatabaseError,
  type InDoubtError,
  isPoolhouseError,
  type NoPrimaryError,
  type PoolhouseError,
  type PoolhouseErrorCode,
} from '@poolhouse/core'
import { expect, expectTypeOf, test } from 'vitest'

const error: unknown = new ConnectError('refused', { endpoint: 'a:5432/app' })

test('T83: isPoolhouseError narrows to the class of a code', () => {
  if (isPoolhouseError(error)) expectTypeOf(error).toEqualTypeOf<PoolhouseError>()
  if (isPoolhouseError(error, 'POOLHOUSE_NO_PRIMARY'))
    expectTypeOf(error).toExtend<NoPrimaryError>()
  else if (isPoolhouseError(error, 'POOLHOUSE_ACQUIRE_TIMEOUT')) {
    expectTypeOf(error).toExtend<AcquireTimeoutError>()
    expectTypeOf(error.waitedMs).toBeNumber()
  } else if (isPoolhouseError(error, 'POOLHOUSE_IN_DOUBT'))
    expectTypeOf(error).toExtend<InDoubtError>()
  else if (isPoolhouseError(error, '23505')) {
    expectTypeOf(error).toExtend<DatabaseError>()
    expectTypeOf(error.code).toEqualTypeOf<'23505'>()
  } else if (isPoolhouseError(error)) {
    // What a code did not fit is any of the others.
    expectTypeOf(error).toEqualTypeOf<PoolhouseError>()
  }
  expect(isPoolhouseError(error, 'POOLHOUSE_CONNECT')).toBe(true)
  expect(isPoolhouseError(error, 'POOLHOUSE_NO_PRIMARY')).toBe(false)
  const either = 'POOLHOUSE_CONNECT' as PoolhouseErrorCode
  expect(isPoolhouseError(error, either)).toBe(true)
})

test('T83: a code that there is not does not compile', () => {
  // @ts-expect-error a misspelt code
  expect(isPoolhouseError(error, 'POOLHOUSE_NO_PRIMRY')).toBe(false)
  // @ts-expect-error six characters are no SQLSTATE
  expect(isPoolhouseError(error, '235050')).toBe(false)
  // @ts-expect-error nor is a small letter
  expect(isPoolhouseError(error, '42p01')).toBe(false)
  // @ts-expect-error nor is any text
  expect(isPoolhouseError(error, 'x' as string)).toBe(false)
})
