import { expect, test } from 'vitest'
import { ParameterTypes } from '../../../src/compat/parameter-types.js'

test('types of parameters are kept for a minute, by text and declared types', () => {
  const known = new ParameterTypes()
  known.keep('select $1', [0], [25], 1_000)
  expect(known.find('select $1', [0], 1_000)).toEqual([25])
  expect(known.find('select $1', [23], 1_000)).toBeUndefined()
  expect(known.find('select $2', [0], 1_000)).toBeUndefined()
  expect(known.find('select $1', [0], 61_000)).toBeUndefined()
})

test('types of parameters are forgotten when asked to, and with the older half when there are many', () => {
  const known = new ParameterTypes()
  known.keep('first', [0], [25], 0)
  known.keep('gone', [0], [25], 0)
  known.forget('gone', [0])
  expect(known.find('gone', [0], 0)).toBeUndefined()
  for (let n = 0; n < 600; n++) known.keep(`text ${n}`, [0], [25], 0)
  expect(known.find('first', [0], 0)).toEqual([25])
  for (let n = 600; n < 1_100; n++) known.keep(`text ${n}`, [0], [25], 0)
  expect(known.find('first', [0], 0)).toBeUndefined()
})
