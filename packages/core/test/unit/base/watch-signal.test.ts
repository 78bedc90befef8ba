import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { unwatchSignal, watchSignal } from '../../../src/base/watch-signal.js'

test('T16: puts one listener on a signal, however many watchers it has', () => {
  const { signal } = new AbortController()
  const watchers = Array.from({ length: 100 }, () => () => {})
  for (const watcher of watchers) watchSignal(signal, watcher)
  expect(getEventListeners(signal, 'abort').length).toBe(1)
  for (const watcher of watchers.slice(1)) unwatchSignal(signal, watcher)
  expect(getEventListeners(signal, 'abort').length).toBe(1)
  unwatchSignal(signal, watchers[0]!)
  unwatchSignal(signal, watchers[0]!)
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})

test('T16: calls each watcher once and in order, except those removed meanwhile', () => {
  const aborter = new AbortController()
  const { signal } = aborter
  const called: string[] = []
  const last = (): void => void called.push('last')
  watchSignal(signal, () => void called.push('first'))
  watchSignal(signal, () => unwatchSignal(signal, last))
  watchSignal(signal, last)
  watchSignal(signal, () => void called.push('behind'))
  aborter.abort()
  watchSignal(signal, last)
  watchSignal(undefined, last)
  expect(called).toEqual(['first', 'behind'])
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})
