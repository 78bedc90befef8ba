import { EventHub, type Observable } from '@poolhouse/core/kit'
import { expect, test } from 'vitest'
import { EventCounts } from '../../../src/prometheus/event-counts.js'

function observed(...databases: string[]): { hub: EventHub; observable: Observable } {
  const hub = new EventHub()
  const observable = {
    pools: () => databases.map((name) => ({ name, kind: 'database', topology: () => undefined })),
    on: (...listened: Parameters<EventHub['on']>) => hub.on(...listened),
    off: (...listened: Parameters<EventHub['off']>) => hub.off(...listened),
  } as unknown as Observable
  return { hub, observable }
}

test('events of tenants have a name only where tenants are shown one by one', async () => {
  const { hub, observable } = observed()
  const [all, hidden] = [true, false].map((tenants) => new EventCounts(observable, tenants))
  hub.emit('overload', { pool: 'app@db:5432', pending: 1 })
  hub.emit('overload', { pool: 'acme@db:5432', tenant: 'acme', pending: 1 })
  await Promise.resolve()
  expect([...all!.events.keys()]).toEqual(['app@db:5432', 'acme@db:5432'])
  expect([...hidden!.events.keys()]).toEqual(['app@db:5432', ''])
  for (const counts of [all!, hidden!]) counts.stop()
})

test('events of a tenant are not those of the database of its name', async () => {
  const { hub, observable } = observed('app')
  const counts = new EventCounts(observable, true)
  hub.emit('overload', { pool: 'app@db:5432', pending: 1 })
  hub.emit('overload', { pool: 'app@db:5432', tenant: 'app', pending: 1 })
  await Promise.resolve()
  expect([...counts.events.keys()]).toEqual(['app@db:5432', 'app (tenant)'])
  counts.stop()
})

test('events of more pools than a hundred are counted under one name', async () => {
  const { hub, observable } = observed()
  const counts = new EventCounts(observable, true)
  for (let tenant = 0; tenant < 150; tenant++) {
    hub.emit('overload', { pool: `t${tenant}`, pending: 1 })
  }
  await Promise.resolve()
  expect(counts.events.size).toBe(101)
  expect(counts.events.get('')?.get('overload')).toBe(50)
  counts.stop()
})
