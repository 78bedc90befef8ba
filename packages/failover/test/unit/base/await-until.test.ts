import { virtualClock } from '@poolhouse/core/testing'
import { describe, expect, it } from 'vitest'
import { awaitUntil } from '../../../src/base/await-until.js'

describe('awaitUntil', () => {
  it.each([
    ['the work settles', 10],
    ['the deadline passes', 100],
    ['the signal fires', 50],
  ])('resolves when %s', async (title, expected) => {
    const clock = virtualClock()
    const abort = new AbortController()
    const work = new Promise<void>((_resolve, reject) => {
      if (title === 'the work settles') clock.setTimer(() => reject(new Error('x')), 10)
    })
    if (title === 'the signal fires') clock.setTimer(() => abort.abort(), 50)
    let at: number | undefined
    void awaitUntil(clock, 100, abort.signal, work).then(() => {
      at = clock.now()
    })
    await clock.advance(200)
    expect(at).toBe(expected)
  })
})
