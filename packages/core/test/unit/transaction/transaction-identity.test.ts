import { expect, test } from 'vitest'
import { ConnectionLostError } from '../../../src/index.js'
import type { OutcomeResolver } from '../../../src/outcome/transaction-outcome.js'
import {
  beginStatement,
  IDENTITY_QUERY,
  IdentityOfTransaction,
} from '../../../src/transaction/transaction-identity.js'

const resolver = (() => ({}) as OutcomeResolver) as never

const ROW = {
  xid: '7',
  pid: 8,
  lsn: '0/10',
  begun_at: 'now',
  wal_file: '00000003000000000000000A',
  started_at: 'then',
  place: 'db:5432',
}

const owner = (): IdentityOfTransaction => IdentityOfTransaction.of({ resolver })!

test('is taken only of a transaction that may write and whose outcome can be looked up', () => {
  expect(IdentityOfTransaction.of({})).toBeUndefined()
  expect(IdentityOfTransaction.of({ readOnly: true })).toBeUndefined()
  expect(IdentityOfTransaction.of({ resolver, readOnly: true })).toBeUndefined()
  expect(IdentityOfTransaction.of({ resolver, readOnly: false })).toBeDefined()
  expect(owner()).toBeDefined()
})

test('is asked for with BEGIN, which says how the transaction is to be', () => {
  expect(beginStatement({})).toBe('BEGIN')
  expect(beginStatement({ readOnly: false, isolation: 'serializable' })).toBe(
    'BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE',
  )
  expect(beginStatement({ readOnly: true, deferrable: true, resolver })).toBe(
    'BEGIN READ ONLY DEFERRABLE',
  )
  expect(beginStatement({ deferrable: false, resolver })).toBe(`BEGIN; ${IDENTITY_QUERY}`)
})

test('is the same whatever the driver makes of the types, and none without one of its parts', () => {
  const resolverOf = (rows: readonly unknown[]) => {
    const identity = owner()
    identity.read({ rows })
    return identity.resolver()
  }
  expect(resolverOf([ROW])).toBeDefined()
  expect(resolverOf([{ ...ROW, started_at: null, place: null }])).toBeDefined()
  expect(resolverOf([])).toBeUndefined()
  for (const part of ['xid', 'pid', 'lsn', 'begun_at', 'wal_file']) {
    expect(resolverOf([{ ...ROW, [part]: null }]), part).toBeUndefined()
  }
  expect(resolverOf([{ ...ROW, wal_file: '000000000000000000000001' }])).toBeUndefined()
})

test('is taken just before COMMIT when SET TRANSACTION had to come before any query', async () => {
  const identity = owner()
  identity.read({ rows: [ROW] })
  expect(identity.asFirst({ text: 'select 1' })).toEqual({ text: 'select 1' })
  expect(identity.asFirst({ text: 'set local a = 1' })).toEqual({ text: 'set local a = 1' })
  const values = { text: 'set transaction read only', values: [1] }
  expect(identity.asFirst(values)).toBe(values)
  expect(identity.asFirst({ text: 'Set Transaction read write' }).text).toBe(
    'ROLLBACK AND CHAIN; Set Transaction read write',
  )
  expect(identity.resolver()).toBeUndefined()
  const asked: string[] = []
  await identity.readLate(async ({ text }) => {
    asked.push(text)
    return { rows: [ROW] } as never
  })
  expect(asked).toEqual([IDENTITY_QUERY])
  expect(identity.resolver()).toBeDefined()
})

test('is not asked for again where BEGIN has told it', async () => {
  const identity = owner()
  identity.read({ rows: [ROW] })
  await identity.readLate(() => Promise.reject(new Error('it is not asked')))
  expect(identity.resolver()).toBeDefined()
})

test.each([
  ['unknown', 'rolled-back'],
  ['no', 'no'],
  ['rolled-back', 'rolled-back'],
] as const)(
  'a failure that is %s to be executed happens before COMMIT was sent, so it is %s',
  async (executed, told) => {
    const identity = owner()
    identity.read({ rows: [ROW] })
    identity.asFirst({ text: 'set transaction read write' })
    const error = new ConnectionLostError('m', { executed })
    await expect(identity.readLate(() => Promise.reject(error))).rejects.toBe(error)
    expect(error.executed).toBe(told)
  },
)
