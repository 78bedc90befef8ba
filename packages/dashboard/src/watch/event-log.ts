import type {
  Clock,
  ClockTimer,
  PoolEventName,
  PoolListener,
  TopologySnapshot,
} from '@poolhouse/core'
import type { Observable, ObservedPool } from '@poolhouse/core/kit'
import type { EntryKind, EntryView, MarkView } from '../dashboard-state.js'
import { keyOf } from './pool-key.js'

const MOST_ENTRIES = 200
const MOST_MARKS = 500
/** What comes in bursts is told in one entry for all within this time. */
const BURST_MS = 100
const WELL: ReadonlySet<string> = new Set(['primary', 'replica', 'starting', 'draining'])

interface Burst {
  readonly pool: string
  readonly text: (count: number) => string
  count: number
}

/**
 * Owns what happened: the newest entries, and what the nodes of each pool were since when. Listens
 * from the beginning, so that a page that is opened after a failover shows it, and only to events
 * that are rare. It leaves `error` and `leak` alone: a pool warns the process of these when no
 * listener does.
 */
export class EventLog {
  readonly #source: Observable
  readonly #clock: Clock
  readonly #changed: () => void
  #entries: readonly EntryView[] = []
  #marks: readonly MarkView[] = []
  // Names of the pools that hold calls, and since when.
  readonly #holding = new Map<string, number>()
  // What each pool has told of its nodes last.
  readonly #snapshots = new Map<string, TopologySnapshot>()
  readonly #bursts = new Map<string, Burst>()
  readonly #ends: (() => void)[] = []
  #timer: ClockTimer | undefined
  #seq = 0

  /** Listens at once. Calls `changed` when there is news that an open page should show at once. */
  constructor(source: Observable, clock: Clock, changed: () => void) {
    this.#source = source
    this.#clock = clock
    this.#changed = changed
    this.#listen()
    this.mark()
  }

  /** The newest entries, the oldest first. */
  get entries(): readonly EntryView[] {
    return this.#entries
  }

  /** What the nodes were, the oldest first. */
  get marks(): readonly MarkView[] {
    return this.#marks
  }

  /** Since when the calls of a pool are held; undefined if they are not. */
  heldSince({ kind, name }: Pick<ObservedPool, 'kind' | 'name'>): number | undefined {
    // A pool that is alone is what every event is about, whatever the pools below it are called.
    const isAlone = this.#source.pools().length === 1
    if (isAlone) return [...this.#holding.values()][0]
    // The databases tell of the holds of their servers, also for the tenants there.
    return kind === 'tenant' ? undefined : this.#holding.get(name)
  }

  /** Looks what the nodes are now, and notes it where that has changed. */
  mark(): void {
    const pools = this.#source.pools()
    for (const pool of pools) {
      const snapshot = pool.topology()
      if (snapshot === undefined) continue
      // Where every call that was held has given up, no event tells that the hold is over.
      const mayBeOver = snapshot.primary !== undefined && this.heldSince(pool) !== undefined
      if (mayBeOver && pool.stats().pending === 0) {
        if (pools.length === 1) this.#holding.clear()
        else this.#holding.delete(pool.name)
      }
      const states = Object.fromEntries(snapshot.nodes.map(({ id, state }) => [id, state]))
      const isHolding = this.heldSince(pool) !== undefined
      const key = keyOf(pool)
      const last = this.#marks.findLast((mark) => mark.pool === key)
      if (last?.isHolding === isHolding && isSame(last.states, states)) continue
      const mark = { seq: this.#seq++, at: this.#clock.now(), pool: key, states, isHolding }
      this.#marks = [...this.#marks.slice(1 - MOST_MARKS), mark]
    }
  }

  /** Stops listening. */
  close(): void {
    for (const end of this.#ends.splice(0)) end()
    this.#timer?.cancel()
  }

  #listen(): void {
    this.#on('topology', ({ pool, snapshot, reason }) => {
      const kind = kindOf(this.#snapshots.get(pool), snapshot)
      this.#snapshots.set(pool, snapshot)
      this.#add(pool, kind, reason)
    })
    this.#on('hold', ({ pool, reason }) => {
      this.#holding.set(pool, this.#clock.now())
      this.#add(pool, 'trouble', `calls are held: ${reason}`)
    })
    this.#on('resume', ({ pool, held, heldMs, reason }) => {
      this.#holding.delete(pool)
      const longest = held === 0 ? '' : `, the first after ${Math.round(heldMs)} ms`
      this.#add(pool, 'relief', `${counted(held, 'held call')} sent${longest}: ${reason}`)
    })
    this.#on('in-doubt', ({ pool, node }) =>
      this.#burst(pool, node, (count) => `${counted(count, 'call')} to ${node} in doubt`),
    )
    this.#on('overload', ({ pool }) =>
      this.#burst(pool, 'overload', (count) => `${counted(count, 'call')} refused: overload`),
    )
    this.#tell('deadlock', ({ error }) => error.message)
    this.#tell(
      'fenced',
      ({ node, timeline, highest }) =>
        `${node} is fenced: primary on timeline ${timeline}, but ${highest} was seen`,
    )
    this.#tell(
      'split-brain',
      ({ nodes, timeline }) =>
        `split brain: ${nodes.join(' and ')} are both primary on timeline ${timeline}`,
    )
    this.#tell('foreign', ({ node }) => `${node} belongs to another cluster`)
    this.#tell('diverged', ({ node, reason }) => `${node} has diverged: ${reason}`)
    this.#tell('unidentified', ({ node, reason }) => `${node} is unidentified: ${reason}`)
    this.#tell('durability', ({ message }) => `a commit is on the primary alone: ${message}`)
    this.#tell('pooler', ({ message }) => message, 'note')
    this.#tell(
      'ejected',
      ({ node, reason, forMs }) => `${node} is ejected for ${Math.round(forMs)} ms: ${reason}`,
    )
    this.#tell('admitted', ({ node, reason }) => `${node} is admitted: ${reason}`, 'relief')
  }

  #tell<Name extends PoolEventName>(
    name: Name,
    text: (event: Parameters<PoolListener<Name>>[0]) => string,
    kind: EntryKind = 'trouble',
  ): void {
    this.#on(name, (event) => this.#add(event.pool, kind, text(event)))
  }

  #on<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    this.#source.on(name, listener)
    this.#ends.push(() => this.#source.off(name, listener))
  }

  #add(pool: string, kind: EntryKind, text: string): void {
    const entry = { seq: this.#seq++, at: this.#clock.now(), pool, kind, text }
    this.#entries = [...this.#entries.slice(1 - MOST_ENTRIES), entry]
    this.mark()
    this.#changed()
  }

  #burst(pool: string, key: string, text: Burst['text']): void {
    const burst = this.#bursts.get(JSON.stringify([pool, key]))
    if (burst !== undefined) {
      burst.count++
      return
    }
    this.#bursts.set(JSON.stringify([pool, key]), { pool, text, count: 1 })
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined
      const bursts = [...this.#bursts.values()]
      this.#bursts.clear()
      for (const each of bursts) this.#add(each.pool, 'trouble', each.text(each.count))
    }, BURST_MS)
  }
}

function isSame(one: MarkView['states'], other: MarkView['states']): boolean {
  const ids = Object.keys(other)
  return Object.keys(one).length === ids.length && ids.every((id) => one[id] === other[id])
}

/** Bad news is a node or a primary that is lost, good news one that is there again. */
function kindOf(before: TopologySnapshot | undefined, now: TopologySnapshot): EntryKind {
  const wasWell = (id: string): boolean =>
    before?.nodes.some((node) => node.id === id && WELL.has(node.state)) !== false
  const isWorse = now.nodes.some(({ id, state }) => !WELL.has(state) && wasWell(id))
  if (isWorse || (now.primary === undefined && before?.primary !== undefined)) return 'trouble'
  const isBetter = now.nodes.some(({ id, state }) => WELL.has(state) && !wasWell(id))
  return isBetter || now.primary?.id !== before?.primary?.id ? 'relief' : 'note'
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
