import { expect, test } from 'vitest'
import { enterScope, inScope, leaveScope, scopeOfCall } from '../../../src/kit.js'

const [one, other] = [{ name: 'one' }, { name: 'other' }]

test('a call has no scope unless it is given one, and none after it', () => {
  expect(scopeOfCall()).toBeUndefined()
  expect(inScope(one, scopeOfCall)).toBe(one)
  expect(scopeOfCall()).toBeUndefined()
})

test('a call that is made within another one has its own scope, also none', () => {
  inScope(one, () => {
    expect(inScope(other, scopeOfCall)).toBe(other)
    expect(inScope(undefined, scopeOfCall)).toBeUndefined()
    expect(scopeOfCall()).toBe(one)
  })
})

test('a call that throws ends its scope', () => {
  const around = enterScope(one)
  const fails = (): never => {
    throw new Error('refused')
  }
  expect(() => inScope(other, fails)).toThrow('refused')
  expect(scopeOfCall()).toBe(one)
  leaveScope(around)
  expect(scopeOfCall()).toBeUndefined()
})

test('what runs after a wait has no scope, whatever call is made meanwhile', async () => {
  const seen = await inScope(one, async () => {
    const before = scopeOfCall()
    await undefined
    return [before, scopeOfCall()]
  })
  expect(seen).toEqual([one, undefined])
})
