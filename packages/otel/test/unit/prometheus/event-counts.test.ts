import { EventHub, type Observable } from '@poolhouse/core/kit'
import { expect, test } from 'vitest'
import { EventCounts } from '../../../src/prometheus/event-counts.js'

test('events of more pools than a hundred are counted under one name', async () => {
  const hub = new EventHub()
  const observable = {
    pools: () => [],
    on: (...listened: Parameters<EventHub['on']>) => hub.on(...listened),
    off: (...listened: Parameters<EventHub['off']>) => hub.off(...listened),
  } as unknown as Observable
  const counts = new EventCounts(observable)
  for (let tenant = 0; tenant < 150; tenant++) {
    hub.emit('overload', { pool: `t${tenant}`, pending: 1 })
  }
  await Promise.resolve()
  expect(counts.events.size).toBe(101)
  expect(counts.events.get('')?.get('overload')).toBe(50)
  counts.stop()
})
