import { AsyncResource } from 'node:async_hooks'
import { describeName } from '../base/option-check.js'
import { own } from '../base/own.js'
import { realTimers } from '../base/real-timers.js'
import type { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { ServerIdentity } from '../server/server-identity.js'
import { CALLS, type CallWatcher, type WatchedPool } from '../watch/call-watcher.js'
import { CallWatchers } from '../watch/call-watchers.js'
import type { TopologySnapshot } from './topology.js'

/** What every event carries. */
export interface PoolEvent {
  /** Name of the pool it is about. */
  readonly pool: string
  /** The tenant whose pool it is, where a manager tells of it; absent elsewhere. */
  readonly tenant?: string | undefined
}

/** An event about one connection. */
export interface ConnectionEvent extends PoolEvent {
  /** Number of the connection within its pool. */
  readonly connection: number
}

/** An event about one node of several. */
export interface NodeEvent extends PoolEvent {
  /** Name of the node's pool. */
  readonly node: string
}

/** A connection was opened. */
export interface ConnectEvent extends ConnectionEvent {
  /** How long that took, in milliseconds. */
  readonly createMs: number
  /** The server that it leads to; undefined if that did not say, and behind a pooler. */
  readonly server?: ServerIdentity | undefined
}

/** A connection was lent. */
export interface AcquireEvent extends ConnectionEvent {
  /** How long the caller waited, in milliseconds. */
  readonly waitMs: number
}

/** A connection came back. */
export interface ReleaseEvent extends ConnectionEvent {
  /** How long it was out, in milliseconds. */
  readonly useMs: number
  /** True if the lease had been released before; then nothing else happened. */
  readonly again?: boolean
}

/** A connection is gone. */
export interface DestroyEvent extends ConnectionEvent {
  /** Why, for humans. */
  readonly reason: string
  /** What ended it, if that was none of the pool's doing. */
  readonly cause?: unknown
}

/** A lease has been out longer than `leakWarningMs`. */
export interface LeakEvent extends ConnectionEvent {
  /** How long it has been out, in milliseconds. */
  readonly heldMs: number
  /** Text of its last statement, without values; see `PoolhouseError.statement`. */
  readonly statement: string | undefined
  /**
   * Where it was acquired, the caller's frame first, one to a line. Known of a hundred acquires a
   * second, and of every one after a leak was seen; undefined of others.
   */
  readonly stack: string | undefined
  /**
   * True if the lease object was collected by the garbage collector: the connection was rolled back
   * and taken back.
   */
  readonly collected: boolean
}

/** Work that holds leases waits for more of them, and no lease can come back. */
export interface DeadlockEvent extends PoolEvent {
  /** The error of the caller that was refused to end the deadlock. */
  readonly error: PoolhouseError
}

/** A call was refused because the queue is full or load is shed. */
export interface OverloadEvent extends PoolEvent {
  /** Callers waiting. */
  readonly pending: number
}

/** The view of the nodes changed. */
export interface TopologyEvent extends PoolEvent {
  /** The new view. */
  readonly snapshot: TopologySnapshot
  /** What changed, as a sentence for humans. */
  readonly reason: string
}

/** A node claims to be primary on an older timeline and is shut out. */
export interface FencedEvent extends NodeEvent {
  /** The timeline it claims. */
  readonly timeline: number
  /** The highest timeline seen. */
  readonly highest: number
}

/** Two nodes claim to be primary on one timeline; writes are refused. */
export interface SplitBrainEvent extends PoolEvent {
  /** Names of their pools. */
  readonly nodes: readonly string[]
  /** The timeline both claim. */
  readonly timeline: number
}

/** A node of another cluster answers at a known address. */
export interface ForeignEvent extends NodeEvent {
  /** Its system identifier. */
  readonly systemId: string
  /** The system identifier of our cluster. */
  readonly expected: string
}

/**
 * A server that should follow the primary has what the primary's history does not have. It serves
 * no reads.
 */
export interface DivergedEvent extends NodeEvent {
  /** What proves it, for humans. */
  readonly reason: string
  /** The system identifier that it tells, if it does. */
  readonly systemId: string | undefined
  /**
   * The timeline that it tells, if it does; a lower bound of a standby whose role lacks
   * `pg_monitor`.
   */
  readonly timeline: number | undefined
}

/** Work is held because there is no primary. */
export interface HoldEvent extends PoolEvent {
  /** Why, for humans. */
  readonly reason: string
}

/** Held work goes on. */
export interface ResumeEvent extends PoolEvent {
  /** Calls that were held. */
  readonly held: number
  /** How long the first of them was held, in milliseconds. */
  readonly heldMs: number
  /** Why it goes on, for humans. */
  readonly reason: string
}

/** Work was sent and no answer came. */
export interface InDoubtEvent extends NodeEvent {
  /** What the caller got. */
  readonly error: PoolhouseError
}

/**
 * A pooler was noticed between a pool and its server. The pool works as with a declared `pooler`
 * from then on. Told once.
 */
export interface PoolerEvent extends PoolEvent {
  /** Process id that was announced when a session began; 0 if none was. */
  readonly announcedPid: number
  /** Process id of the server process that answered on that session. */
  readonly answeringPid: number
  /**
   * Whether there is one session for all connections, as with PGlite. The pool then uses one
   * connection.
   */
  readonly oneSession: boolean
  /** What was seen and what changes, for humans. */
  readonly message: string
}

/**
 * A pool's name leads to one more server than was known: a reader endpoint, a proxy that balances,
 * a name that was moved. A server that was restarted is not another one.
 */
export interface ServersEvent extends PoolEvent {
  /** The servers that its name has led to, the newest last. */
  readonly servers: readonly ServerIdentity[]
  /** Which they are, for humans. */
  readonly message: string
}

/**
 * How far a replica is behind cannot be told: a pooler stands in front of its servers, or they do
 * not tell where their log is. Reads with a bound and reads of sessions do not go there. Told once,
 * and again when it was possible in between.
 */
export interface UnidentifiedEvent extends NodeEvent {
  /** Why it cannot be told, for humans. */
  readonly reason: string
}

/**
 * A commit succeeded on the primary alone: the server stopped waiting for its synchronous standbys.
 * A failover may lose it.
 */
export interface DurabilityEvent extends ConnectionEvent {
  /** Where the commit is known to be. */
  readonly durability: 'local'
  /** What the server said, in its language. */
  readonly message: string
}

/** A replica is out of rotation. */
export interface EjectedEvent extends NodeEvent {
  /** Why, for humans. */
  readonly reason: string
  /** Until it is tried again, in milliseconds. */
  readonly forMs: number
}

/** A replica is back in rotation. */
export interface AdmittedEvent extends NodeEvent {
  /** Why, for humans. */
  readonly reason: string
}

/**
 * A session token could not be honoured as it is. The reads of its session go to the primary until
 * they have a new one.
 */
export interface TokenEvent extends PoolEvent {
  /**
   * What is wrong with it: `malformed` is no token, `forged` has no valid signature, `foreign`
   * comes from another cluster, `beyond-history` names what the present primary has never had: a
   * failover has lost it.
   */
  readonly reason: 'malformed' | 'forged' | 'foreign' | 'beyond-history'
  /** What is known about it, for humans; never the token itself. */
  readonly message: string
}

/** Something failed in the background, where no caller could be told. */
export interface ErrorEvent extends PoolEvent {
  /** What failed. */
  readonly error: unknown
}

/**
 * Every event by name and what its listeners get. Payloads never carry values, passwords or
 * statement parameters.
 */
export interface PoolEvents {
  /** A connection was opened. */
  connect: ConnectEvent
  /** A connection was lent. */
  acquire: AcquireEvent
  /** A connection came back. */
  release: ReleaseEvent
  /** A connection is gone. */
  destroy: DestroyEvent
  /** A lease has been out too long. */
  leak: LeakEvent
  /** Work that holds leases waits for more of them. */
  deadlock: DeadlockEvent
  /** A call was refused because the queue is full or load is shed. */
  overload: OverloadEvent
  /** The view of the nodes changed. */
  topology: TopologyEvent
  /** A node claims to be primary on an older timeline. */
  fenced: FencedEvent
  /** Two nodes claim to be primary on one timeline. */
  'split-brain': SplitBrainEvent
  /** A node of another cluster answers. */
  foreign: ForeignEvent
  /** A server has what the primary's history does not have. */
  diverged: DivergedEvent
  /** Work is held. */
  hold: HoldEvent
  /** Held work goes on. */
  resume: ResumeEvent
  /** Work was sent and no answer came. */
  'in-doubt': InDoubtEvent
  /** A pooler was noticed. */
  pooler: PoolerEvent
  /** How far a replica is behind cannot be told. */
  unidentified: UnidentifiedEvent
  /** A name leads to several servers. */
  servers: ServersEvent
  /** A commit succeeded without its synchronous standbys. */
  durability: DurabilityEvent
  /** A replica is out of rotation. */
  ejected: EjectedEvent
  /** A replica is back in rotation. */
  admitted: AdmittedEvent
  /** A session token could not be honoured. */
  token: TokenEvent
  /** Something failed in the background. */
  error: ErrorEvent
}

/** Name of an event. */
export type PoolEventName = keyof PoolEvents

/** A function that gets the events of one name. */
export type PoolListener<Name extends PoolEventName> = (event: PoolEvents[Name]) => void

/**
 * The part of a pool that tells about events. A missing `error` listener never crashes the process.
 */
export interface PoolEventEmitter {
  /**
   * Adds a listener; the same function is added once. It is called after the state change, in the
   * pool's own async context.
   *
   * @example
   * pool.on('leak', ({ heldMs, stack }) => log.warn(heldMs, stack))
   */
  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
  /**
   * Removes a listener.
   *
   * @example
   * const onError = (event: ErrorEvent) => log.error(event.error)
   * pool.on('error', onError)
   * pool.off('error', onError)
   */
  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
}

type AnyListener = (event: never) => void

/** Events about connections, which every pool over other pools passes on as they are. */
export const CONNECTION_EVENTS: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'pooler',
  'servers',
  'durability',
  'error',
  // Not an event, but on the same way: see `watchCalls`.
  CALLS as never,
])

/** Events about servers, and which of them are used: they say nothing about any call. */
export const SERVER_EVENTS: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'topology',
  'fenced',
  'split-brain',
  'foreign',
  'diverged',
  'unidentified',
  'token',
  'hold',
  'resume',
  'ejected',
  'admitted',
])

const EVENT_NAMES: ReadonlySet<string> = new Set([
  ...[...CONNECTION_EVENTS].filter((name) => typeof name === 'string'),
  ...SERVER_EVENTS,
  'in-doubt',
])

/**
 * Owns the listeners of one pool. Events are delivered in a microtask of the emitter's own async
 * context, so that no listener runs inside a state change and none sees a stranger's
 * AsyncLocalStorage.
 */
export class EventHub {
  /** Who watches the calls of the pool; undefined while no one does. */
  readonly calls: CallWatchers | undefined = undefined
  /** The pool of connections whose calls are watched; undefined for a pool over others. */
  watched: WatchedPool | undefined = undefined
  // Made with the first listener: most pools never have one, and idle pools may be many.
  #listeners: Map<PoolEventName, Set<AnyListener>> | undefined
  readonly #context: AsyncResource
  #queue: { name: PoolEventName; event: unknown }[] = []

  /** Delivers in the emitter's own async context; a pool has one already. */
  constructor(
    context: AsyncResource = new AsyncResource('PoolhouseEvents', { requireManualDestroy: true }),
  ) {
    this.#context = context
  }

  /** Adds a listener. Throws `TypeError` for an unknown event name. */
  on<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    if ((name as unknown) === CALLS) {
      own<EventHub>(this).calls ??= new CallWatchers(this.watched)
      this.calls!.add(listener as unknown as CallWatcher)
      return
    }
    if (!EVENT_NAMES.has(name)) {
      throw new TypeError(
        `unknown event ${describeName(name)}; known: ${[...EVENT_NAMES].join(', ')}`,
      )
    }
    if (typeof listener !== 'function') {
      throw new TypeError(`listener of "${name}" must be a function, got ${typeof listener}`)
    }
    this.#listeners ??= new Map()
    let set = this.#listeners.get(name)
    if (!set) {
      set = new Set()
      this.#listeners.set(name, set)
    }
    set.add(listener as AnyListener)
  }

  /** Removes a listener; an unknown one is ignored. */
  off<Name extends PoolEventName>(name: Name, listener: PoolListener<Name>): void {
    if ((name as unknown) === CALLS) this.calls?.remove(listener as unknown as CallWatcher)
    const set = this.#listeners?.get(name)
    set?.delete(listener as AnyListener)
    if (set?.size === 0) this.#listeners?.delete(name)
  }

  /** Whether the event has a listener; ask before building one. */
  has(name: PoolEventName): boolean {
    return this.#listeners?.has(name) === true
  }

  /** Queues an event for delivery. Free without listeners. */
  emit<Name extends PoolEventName>(name: Name, event: PoolEvents[Name]): void {
    if (!this.has(name)) return
    this.#queue.push({ name, event })
    if (this.#queue.length === 1) {
      this.#context.runInAsyncScope(() => realTimers.queueMicrotask(() => this.#deliver()))
    }
  }

  #deliver(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { name, event } of queue) {
      for (const listener of [...(this.#listeners?.get(name) ?? [])]) {
        try {
          ;(listener as (event: unknown) => void)(event)
        } catch (error) {
          // A listener's fault must not break the pool or its neighbours, and must not vanish
          // either.
          if (name !== 'error' && this.has('error'))
            this.emit('error', { pool: (event as { pool: string }).pool, error })
          else process.emitWarning(error instanceof Error ? error : String(error))
        }
      }
    }
  }
}
