import { AsyncResource } from 'node:async_hooks'
import type { PoolhouseError } from './errors.js'
import type { TopologySnapshot } from './topology.js'

/** Every event and what its listeners get. Payloads never carry values, passwords or statement parameters. */
export interface PoolEvents {
  /** A connection was opened. */
  connect: { pool: string; connection: number; createMs: number }
  /** A connection was lent. */
  acquire: { pool: string; connection: number; waitMs: number }
  /** A connection came back, or was given back a second time (`again`). */
  release: { pool: string; connection: number; useMs: number; again?: boolean }
  /** A connection is gone. */
  destroy: { pool: string; connection: number; reason: string }
  /** A lease has been out longer than `leakWarningMs`, or was collected by GC without release. */
  leak: {
    pool: string
    connection: number
    heldMs: number
    stack: string | undefined
    statement: string | undefined
    collected: boolean
  }
  /** Work that holds leases waits for more of them and nobody can give one back. */
  deadlock: { pool: string; error: PoolhouseError }
  /** A call was refused because the queue is full or load is shed. */
  overload: { pool: string; pending: number }
  /** The view of the nodes changed; `reason` is a sentence for humans. */
  topology: { pool: string; snapshot: TopologySnapshot; reason: string }
  /** A node claims to be primary on an older timeline and is shut out. */
  fenced: { pool: string; node: string; timeline: number; highest: number }
  /** Two nodes claim to be primary on one timeline; writes are refused. */
  'split-brain': { pool: string; nodes: readonly string[]; timeline: number }
  /** A node of another cluster answers at a known address. */
  foreign: { pool: string; node: string; systemId: string; expected: string }
  /** Work is held because there is no primary. */
  hold: { pool: string; reason: string }
  /** Held work goes on. */
  resume: { pool: string; held: number; heldMs: number; reason: string }
  /** Work was sent and no answer came. */
  'in-doubt': { pool: string; node: string; error: PoolhouseError }
  /** A replica is out of rotation. */
  ejected: { pool: string; node: string; reason: string; forMs: number }
  /** A replica is back in rotation. */
  admitted: { pool: string; node: string; reason: string }
  /** Something failed in the background, where no caller could be told. */
  error: { pool: string; error: unknown }
}

/** Name of an event. */
export type PoolEventName = keyof PoolEvents

/** A function that gets the events of one name. */
export type PoolListener<Name extends PoolEventName> = (event: PoolEvents[Name]) => void

/** The part of a pool that tells about events. A missing `error` listener never crashes the process. */
export interface PoolEventEmitter {
  /** Adds a listener; the same function is added once. It is called after the state change, in the pool's own async context. */
  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
  /** Removes a listener. */
  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
}

type AnyListener = (event: never) => void

const EVENT_NAMES: ReadonlySet<string> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'topology',
  'fenced',
  'split-brain',
  'foreign',
  'hold',
  'resume',
  'in-doubt',
  'ejected',
  'admitted',
  'error',
])

/**
 * Owns the listeners of one pool. Events are delivered in a microtask of the emitter's own async context, so that no
 * listener runs inside a state change and none sees a stranger's AsyncLocalStorage.
 */
export class EventHub {
  readonly #listeners = new Map<PoolEventName, Set<AnyListener>>()
  readonly #context = new AsyncResource('PoolhouseEvents', { requireManualDestroy: true })
  #queue: { name: PoolEventName; event: unknown }[] = []

  /** Adds a listener. Throws `TypeError` for an unknown event name. */
  on<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    if (!EVENT_NAMES.has(name)) {
      throw new TypeError(`unknown event "${String(name)}"; known: ${[...EVENT_NAMES].join(', ')}`)
    }
    if (typeof listener !== 'function') {
      throw new TypeError(`listener of "${name}" must be a function, got ${typeof listener}`)
    }
    let set = this.#listeners.get(name)
    if (!set) {
      set = new Set()
      this.#listeners.set(name, set)
    }
    set.add(listener as AnyListener)
  }

  /** Removes a listener; an unknown one is ignored. */
  off<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    const set = this.#listeners.get(name)
    set?.delete(listener as AnyListener)
    if (set?.size === 0) this.#listeners.delete(name)
  }

  /** Whether anybody listens; ask before building an event. */
  has(name: PoolEventName): boolean {
    return this.#listeners.has(name)
  }

  /** Queues an event for delivery. Free when nobody listens. */
  emit<Name extends PoolEventName>(name: Name, event: PoolEvents[Name]): void {
    if (!this.#listeners.has(name)) return
    this.#queue.push({ name, event })
    if (this.#queue.length === 1) {
      this.#context.runInAsyncScope(() => queueMicrotask(() => this.#deliver()))
    }
  }

  #deliver(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { name, event } of queue) {
      for (const listener of [...(this.#listeners.get(name) ?? [])]) {
        try {
          ;(listener as (event: unknown) => void)(event)
        } catch (error) {
          // A listener's fault must not break the pool or its neighbours, and must not vanish either.
          if (name !== 'error')
            this.emit('error', { pool: (event as { pool: string }).pool, error })
          else process.emitWarning(error instanceof Error ? error : String(error))
        }
      }
    }
  }
}
