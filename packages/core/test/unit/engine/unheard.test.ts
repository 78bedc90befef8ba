import { afterEach, expect, test, vi } from 'vitest'
import { EventHub } from '../../../src/api/events.js'
import { tracing } from '../../../src/index.js'
import { harness, watch } from '../../harness.js'

afterEach(() => vi.restoreAllMocks())

test('events and tracing channels cost nothing while they have no listener: no event is made, no channel is asked to trace', async () => {
  const emitted = vi.spyOn(EventHub.prototype, 'emit')
  const traced = Object.values(tracing).map((channel) => vi.spyOn(channel, 'tracePromise'))
  const it = harness()
  const calls = Array.from({ length: 10 }, () => watch<unknown>(it.pool.query('select 1')))
  calls.push(watch(it.pool.use((lease) => lease.query('select 2'))))
  calls.push(watch(it.pool.transaction((tx) => tx.query('select 3'))))
  await it.clock.settle()
  expect(calls.every(({ state }) => state === 'resolved')).toBe(true)
  expect(emitted).not.toHaveBeenCalled()
  for (const trace of traced) expect(trace).not.toHaveBeenCalled()

  const heard: string[] = []
  it.pool.on('acquire', () => heard.push('acquire'))
  it.pool.on('release', () => heard.push('release'))
  const query = watch(it.pool.query('select 4'))
  await it.clock.settle()
  expect(query.state).toBe('resolved')
  expect(heard).toEqual(['acquire', 'release'])
})
