import { expect, test } from 'vitest'
import { callFor, enterCall, leaveCall, partyOfCall } from '../../../src/kit.js'

const [one, other] = [{ name: 'one' }, { name: 'other' }]

test('a call has no party unless it is given one, and none after it', () => {
  expect(partyOfCall()).toBeUndefined()
  expect(callFor(one, partyOfCall)).toBe(one)
  expect(partyOfCall()).toBeUndefined()
})

test('a call that is made within another one has its own party, also none', () => {
  callFor(one, () => {
    expect(callFor(other, partyOfCall)).toBe(other)
    expect(callFor(undefined, partyOfCall)).toBeUndefined()
    expect(partyOfCall()).toBe(one)
  })
})

test('a call that throws ends its party', () => {
  const around = enterCall(one)
  const fails = (): never => {
    throw new Error('refused')
  }
  expect(() => callFor(other, fails)).toThrow('refused')
  expect(partyOfCall()).toBe(one)
  leaveCall(around)
  expect(partyOfCall()).toBeUndefined()
})

test('what runs after a wait has no party, whatever call is made meanwhile', async () => {
  const seen = await callFor(one, async () => {
    const before = partyOfCall()
    await undefined
    return [before, partyOfCall()]
  })
  expect(seen).toEqual([one, undefined])
})
