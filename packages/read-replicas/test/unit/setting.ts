import type {
  NodeLag,
  NodeState,
  PoolEvents,
  Topology,
  TopologyNode,
  TopologySnapshot,
} from '@poolhouse/core'
import { type ReplicaPool, type ReplicasOptions, withReplicas } from '../../src/index.js'
import { FakePool } from './fake-pool.js'
import { ManualClock } from './manual-clock.js'

/** A primary and replicas whose lag has been sampled. */
export interface Setting {
  clock: ManualClock
  primary: FakePool
  b: FakePool
  c: FakePool
  db: ReplicaPool
  /** Events of these kinds, as text, in order. */
  events: string[]
}

/** Makes a setting. Random numbers are a fixed sequence, so every run makes the same choices. */
export async function startSetting(options: ReplicasOptions = {}): Promise<Setting> {
  const clock = new ManualClock()
  const primary = new FakePool('a')
  primary.inRecovery = false
  const b = new FakePool('b')
  const c = new FakePool('c')
  const db = withReplicas(primary, [b, c], { clock, random: sequence(), ...options })
  const events: string[] = []
  note(db, 'ejected', events)
  note(db, 'admitted', events)
  await clock.advance(300)
  // Texts decide only once the names of the database are known.
  if (options.classify !== undefined) await db.ready()
  return { clock, primary, b, c, db, events }
}

function note(db: ReplicaPool, name: 'ejected' | 'admitted', events: string[]): void {
  db.on(name, (event: PoolEvents[typeof name]) => events.push(`${name} ${event.node}`))
}

/** Numbers from 0 to 1 that repeat from run to run. */
export function sequence(seed = 1): () => number {
  let state = seed
  return () => {
    state = (state * 16_807) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** A topology that a test changes. */
export class FakeTopology implements Topology {
  current: TopologySnapshot
  /** Reasons given to `refresh`. */
  readonly refreshed: string[] = []
  readonly #listeners = new Set<(next: TopologySnapshot, previous: TopologySnapshot) => void>()

  constructor(nodes: readonly TopologyNode[]) {
    this.current = snapshot(1, nodes)
  }

  subscribe(listener: (next: TopologySnapshot, previous: TopologySnapshot) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listened(): boolean {
    return this.#listeners.size > 0
  }

  async refresh(reason: string): Promise<void> {
    this.refreshed.push(reason)
  }

  /** Shows other nodes. */
  show(nodes: readonly TopologyNode[]): void {
    const previous = this.current
    this.current = snapshot(previous.epoch + 1, nodes)
    for (const listener of this.#listeners) listener(this.current, previous)
  }
}

/** A node of a topology. */
export function nodeOf(
  pool: FakePool,
  state: NodeState,
  lagMs?: number,
  zone?: string,
): TopologyNode {
  const lag: NodeLag | undefined = lagMs === undefined ? undefined : { ms: lagMs, bytes: 0 }
  return { id: pool.name, endpoint: pool.endpoint, pool, state, lag, zone, reason: 'seen' }
}

function snapshot(epoch: number, nodes: readonly TopologyNode[]): TopologySnapshot {
  return {
    epoch,
    systemId: '1',
    timeline: 1,
    primary: nodes.find(({ state }) => state === 'primary'),
    replicas: nodes.filter(({ state }) => state === 'replica'),
    nodes,
  }
}

/** Names of the nodes that served a number of reads, one after the other. */
export async function served(db: ReplicaPool, reads: number): Promise<(string | undefined)[]> {
  const nodes: (string | undefined)[] = []
  for (let read = 0; read < reads; read++) nodes.push((await db.reader().query('select 1')).node)
  return nodes
}

/** How often each name occurs. */
export function tally(names: readonly (string | undefined)[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(String(name), (counts.get(String(name)) ?? 0) + 1)
  return counts
}
