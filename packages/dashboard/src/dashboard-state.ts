// What the page is told: plain JSON, from the half of this package that runs beside the pools to
// the half that runs in the browser. Times called `at` are readings of the clock of the pools, in
// milliseconds; the page turns them into times of day.

/** Median and 99th percentile of what was measured in the last seconds, in milliseconds. */
export interface RecentTimes {
  /** Median. */
  readonly p50: number
  /** 99th percentile. */
  readonly p99: number
}

/** The connections of a pool or of one of its nodes, as its `stats()` tells them. */
export interface Connections {
  /** Held by callers, or being cleaned after them: `leased`. */
  readonly used: number
  /** Idle. */
  readonly idle: number
  /** Being opened. */
  readonly connecting: number
  /** Callers that wait: `pending`. */
  readonly waiting: number
  /** Most connections allowed. */
  readonly max: number
}

/** One server of a pool. */
export interface NodeView {
  /** Name of its pool. */
  readonly id: string
  /** `host:port/database`, where it is known. */
  readonly endpoint?: string | undefined
  /** What it is, as last observed; left out where the pool does not watch its servers. */
  readonly state?: string | undefined
  /** Why, for humans. */
  readonly reason?: string | undefined
  /** Zone that it lives in. */
  readonly zone?: string | undefined
  /** Upper bound of how far it is behind, in milliseconds. */
  readonly lagMs?: number | undefined
  /** Its connections. */
  readonly connections: Connections
  /** Statements a second, in the last seconds. */
  readonly perSecond?: number | undefined
}

/** A lease that is out. */
export interface HolderView {
  /** The node that it leads to. */
  readonly node: string
  /** Process id on the server. */
  readonly backendPid: number
  /** How long it has been out, in milliseconds. */
  readonly heldMs: number
  /** What the connection does. */
  readonly state: string
  /** Text of the last statement, never its values. */
  readonly statement?: string | undefined
  /** Where it was acquired, if that was sampled. */
  readonly stack?: string | undefined
}

/** A statement that took long. */
export interface SlowTextView {
  /** The node that ran it. */
  readonly node: string
  /** Its text, never its values. */
  readonly text: string
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** How long ago it ended, in milliseconds. */
  readonly agoMs: number
}

/** How often calls went somewhere for one reason. */
export interface RouteView {
  /** The reason, as in `stats().routing`. */
  readonly reason: string
  /** Since the pool was made. */
  readonly count: number
  /** A second, in the last seconds. */
  readonly perSecond: number
}

/** A lease that was not given back. */
export interface LeakView {
  /** The node that it led to. */
  readonly node: string
  /** How long it had been out, in milliseconds. */
  readonly heldMs: number
  /** How long ago that was reported, in milliseconds. */
  readonly agoMs: number
  /** Text of the last statement, never its values. */
  readonly statement?: string | undefined
  /** Where it was acquired, if that was sampled. */
  readonly stack?: string | undefined
}

/** One pool. */
export interface PoolView {
  /** Tells it from all others: a database and a tenant may have one name. */
  readonly key: string
  /** Its name; of a database or tenant, that of the manager. */
  readonly name: string
  /** Whether it belongs to a tenant. */
  readonly kind: 'database' | 'tenant'
  /** Its connections. */
  readonly connections: Connections
  /** Its counters, as its `stats()` tells them. */
  readonly counters: Readonly<Record<string, number>>
  /** How long callers waited for a connection in the last seconds. */
  readonly wait?: RecentTimes | undefined
  /** How long statements took in the last seconds, from the call to the answer. */
  readonly query?: RecentTimes | undefined
  /** Statements a second, in the last seconds. */
  readonly perSecond: number
  /** Highest timeline seen, of a pool that follows its primary. */
  readonly timeline?: number | undefined
  /** Whether it has a primary, of a pool that follows it. */
  readonly hasPrimary?: boolean | undefined
  /** Since when calls are held because there is no primary. */
  readonly heldSince?: number | undefined
  /** Its servers. */
  readonly nodes: readonly NodeView[]
  /** Where calls went, and why. */
  readonly routes: readonly RouteView[]
}

/** The budget of one server. */
export interface BudgetView {
  /** `host:port`. */
  readonly server: string
  /** Most connections. */
  readonly limit: number
  /** Connections of pools. */
  readonly used: number
  /** Monitors and LISTEN. */
  readonly beside: number
  /** Pools that wait for a permit. */
  readonly waiting: number
  /** Who has the connections of `used`, those with the most first. */
  readonly holders: readonly BudgetHolderView[]
}

/** A database or tenant and its part of a budget. */
interface BudgetHolderView {
  /** Name of the database, or id of the tenant. */
  readonly name: string
  /** Which of the two it is. */
  readonly kind: 'database' | 'tenant'
  /** How many of the connections it has. */
  readonly held: number
}

/** Everything that the page shows, at one moment. */
export interface DashboardState {
  /** When. */
  readonly at: number
  /** Process id of the application. */
  readonly pid: number
  /** Every pool. */
  readonly pools: readonly PoolView[]
  /** The budgets of a manager. */
  readonly budgets: readonly BudgetView[]
  /** How many tenants have pools. */
  readonly tenantPools: number
  /** How many tenants' pools were closed because they were unused, or too many. */
  readonly tenantEvictions: number
  /** The leases that are out for longest. */
  readonly holders: readonly HolderView[]
  /** The statements that took longest. */
  readonly slowest: readonly SlowTextView[]
  /** The newest leaks. */
  readonly leaks: readonly LeakView[]
}

/** How an entry is marked. */
export type EntryKind = 'note' | 'trouble' | 'relief'

/** Something that happened, as a sentence. */
export interface EntryView {
  /** Grows by one with each. */
  readonly seq: number
  /** When. */
  readonly at: number
  /** The pool that told of it. */
  readonly pool: string
  /** Whether it is bad or good news. */
  readonly kind: EntryKind
  /** What happened. */
  readonly text: string
}

/** The states of the nodes of one pool from a moment on. */
export interface MarkView {
  /** Grows by one with each. */
  readonly seq: number
  /** From when on. */
  readonly at: number
  /** Key of the pool. */
  readonly pool: string
  /** State by node. */
  readonly states: Readonly<Record<string, string>>
  /** Whether calls are held. */
  readonly isHolding: boolean
}

/** The numbers of a pool that its charts draw. */
export interface SampleView {
  /** When. */
  readonly at: number
  /**
   * By key of the pool: used, idle, waiting, wait p50, wait p99, query p50, query p99; null is not
   * known.
   */
  readonly pools: Readonly<Record<string, readonly (number | null)[]>>
}

/** What a page is told when it opens. */
export interface PastMessage {
  /** What the charts draw. */
  readonly samples: readonly SampleView[]
  /** What happened, the oldest first. */
  readonly entries: readonly EntryView[]
  /** What the nodes were, the oldest first. */
  readonly marks: readonly MarkView[]
  /** The pools as they are now. */
  readonly state: DashboardState
}

/** What a page is told again and again. */
export interface NowMessage {
  /** The pools as they are now. */
  readonly state: DashboardState
  /** What is new for the charts. */
  readonly samples: readonly SampleView[]
  /** What has happened since the last message. */
  readonly entries: readonly EntryView[]
  /** What the nodes have become since. */
  readonly marks: readonly MarkView[]
}
