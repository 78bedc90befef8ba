import { EventEmitter } from 'node:events'
import type { PoolEventName, PoolEvents, PoolStats, TopologySnapshot } from '@poolhouse/core'
import type { BudgetHolder, Observable, ObservedBudget, ObservedPool } from '@poolhouse/core/kit'

/** A pool of the observed ones; what is left out is as a pool that was just made has it. */
export interface ObservedSetup {
  readonly name?: string
  readonly kind?: ObservedPool['kind']
  readonly stats?: () => Partial<PoolStats>
  readonly topology?: () => TopologySnapshot | undefined
  readonly inspect?: ObservedPool['inspect']
}

/** A source that a test scripts: its pools, its budgets, and what it tells. */
export interface Observed extends Observable {
  /** Tells an event. */
  tell<Name extends PoolEventName>(name: Name, event: PoolEvents[Name]): void
  /** How many listeners it has, of all events. */
  readonly listeners: number
}

/** Makes a source of pools. */
export function observed(
  pools: readonly ObservedSetup[],
  servers: Readonly<Record<string, ObservedBudget>> = {},
  holders: Readonly<Record<string, readonly BudgetHolder[]>> = {},
): Observed {
  const events = new EventEmitter()
  const all = pools.map(
    ({ name = 'app', kind = 'database', stats, topology, inspect }): ObservedPool => ({
      name,
      kind,
      stats: () => ({ ...idle(), ...stats?.() }),
      topology: topology ?? (() => undefined),
      inspect: inspect ?? (() => []),
    }),
  )
  const source: Observed = {
    pools: () => all,
    holders: () => holders,
    inspect: () => all.flatMap((pool) => pool.inspect()),
    stats: () => ({
      databases: Object.fromEntries(all.map((pool) => [pool.name, pool.stats()])),
      servers,
      tenantPools: 0,
      tenantEvictions: 0,
    }),
    on(name, listener) {
      events.on(`poolhouse ${name}`, listener)
      return source
    },
    off(name, listener) {
      events.off(`poolhouse ${name}`, listener)
      return source
    },
    tell: (name, event) => void events.emit(`poolhouse ${name}`, event),
    get listeners() {
      return events.eventNames().reduce((sum, name) => sum + events.listenerCount(name), 0)
    },
  }
  return source
}

/** Bounds of the histograms, in milliseconds. */
const LE = [1, 10, 100]

/** A histogram with so many values in each bucket. */
export function histogram(...counts: number[]): PoolStats['histograms']['waitMs'] {
  const all = [0, 0, 0, 0].map((_, index) => counts[index] ?? 0)
  return { le: LE, counts: all, count: all.reduce((sum, count) => sum + count, 0), sum: 0 }
}

/** The statistics of a pool in which nothing has happened. */
export function idle(): PoolStats {
  const none = { p50: 0, p99: 0, max: 0 }
  const empty = histogram()
  return {
    total: 0,
    idle: 0,
    leased: 0,
    connecting: 0,
    pending: 0,
    max: 10,
    min: 0,
    counters: {
      acquired: 0,
      released: 0,
      created: 0,
      destroyed: 0,
      timeouts: 0,
      errors: 0,
      leaks: 0,
    },
    waitMs: none,
    useMs: none,
    createMs: none,
    queryMs: none,
    histograms: { waitMs: empty, useMs: empty, createMs: empty, queryMs: empty },
  }
}

/** A view of nodes in these states, by name. */
export function snapshot(states: Readonly<Record<string, string>>, timeline = 1): TopologySnapshot {
  const nodes = Object.entries(states).map(([id, state]) => ({
    id,
    state,
    endpoint: { host: id, port: 5432, database: 'app' },
    pool: { stats: idle },
    lag: undefined,
    zone: undefined,
    reason: `${state} it is`,
  }))
  const of = (state: string) => nodes.filter((node) => node.state === state)
  return {
    epoch: 1,
    systemId: '7',
    timeline,
    primary: of('primary')[0],
    replicas: of('replica'),
    nodes,
  } as unknown as TopologySnapshot
}
