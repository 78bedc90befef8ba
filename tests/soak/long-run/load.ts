import { setTimeout as sleep } from 'node:timers/promises'
import { isPoolhouseError, type Queryable } from '@poolhouse/core'
import {
  type ClusterNode,
  startWorkload,
  type VerifyOptions,
  type Violation,
  verifyHistory,
  type Workload,
} from '@poolhouse/testkit'
import { within } from './within.js'
import { HISTORY, NUMBERS, ROW_HISTORY, ROW_TENANTS, SCHEMAS, type World } from './world.js'

const DEADLINE_MS = 20_000
const PAUSE_MS = 25
/** How much longer than its deadline a call may take before it counts as one that never settles. */
const PATIENCE_MS = 5_000
/** For the end of a session, and for the check of a history. */
const SOON_MS = 60_000
/** Callers that look up single rows, whose answers are checked one by one. */
const LOOKERS = 12
const KINDS = ['select id, value from numbers where id = $1', 'select * from numbers where id = $1']

/** The work of one round, and how it is judged. */
interface Part {
  readonly name: string
  readonly workload: Workload
  readonly verify: Omit<VerifyOptions, 'db'>
  /** The server that has the truth. */
  node(): ClusterNode
}

/** What came of the work of a round. */
export interface LoadReport {
  /** Calls of the workloads, all of which were compared with what the servers hold. */
  readonly checked: number
  readonly acknowledged: number
  readonly lookups: number
  readonly notExecuted: number
  readonly unknown: number
  readonly longestWriteGapMs: number
  readonly violations: readonly (Violation & { readonly part: string })[]
}

/** Work on every database and tenant; `stop` ends and judges it. */
export interface Load {
  stop(): Promise<LoadReport>
}

/** Starts the work of a round. Every lookup is given `signal`, which lives as long as the run. */
export function startLoad(world: World, signal: AbortSignal): Load {
  const { app, analytics, queue, manager } = world
  const sessions = Array.from({ length: 8 }, () => manager.database('app').session())
  const common = { pauseMs: PAUSE_MS, deadlineMs: DEADLINE_MS }
  const parts: Part[] = [
    {
      name: 'app',
      workload: startWorkload({
        ...common,
        writers: 5,
        readers: 3,
        writes: (worker) => sessions[worker]!,
        reads: (worker) => sessions[worker]!,
      }),
      verify: {
        pools: [manager.database('app')],
        reads: ['read-your-writes', 'monotonic-reads'],
      },
      node: () => app.primary,
    },
    {
      name: 'tenants',
      workload: startWorkload({
        ...common,
        writers: SCHEMAS.length,
        writes: (worker) => manager.tenant(SCHEMAS[worker]!),
        reads: (worker) => manager.tenant(SCHEMAS[worker]!),
      }),
      // Their reads go to any replica within the bound, and promise no more.
      verify: { table: everySchema() },
      node: () => app.primary,
    },
    {
      name: 'row tenants',
      workload: startWorkload({
        ...common,
        table: ROW_HISTORY,
        writers: ROW_TENANTS.length,
        writes: (worker) => manager.tenant(ROW_TENANTS[worker]!),
        reads: (worker) => manager.tenant(ROW_TENANTS[worker]!),
      }),
      verify: { table: ROW_HISTORY, reads: ['read-your-writes'] },
      node: () => analytics.primary,
    },
    {
      name: 'analytics',
      workload: startWorkload({
        ...common,
        writers: 3,
        writes: manager.database('analytics'),
        reads: manager.database('analytics'),
      }),
      verify: { pools: [manager.database('analytics')], reads: ['read-your-writes'] },
      node: () => analytics.primary,
    },
    {
      name: 'queue',
      workload: startWorkload({
        ...common,
        writers: 3,
        writes: manager.database('queue'),
        reads: manager.database('queue'),
      }),
      verify: { pools: [manager.database('queue')], reads: ['read-your-writes'] },
      node: () => queue.primary,
    },
  ]
  const lookers = new Lookers(world, signal)
  return {
    async stop() {
      const [found, ...reports] = await Promise.all([
        lookers.stop(),
        ...parts.map(async ({ name, workload, verify, node }) => {
          const history = await workload.stop()
          const db = truthOf(node())
          const judged = verifyHistory(history, { ...verify, db })
          const report = await within(SOON_MS, `the check of the history of ${name}`, judged)
          return { name, report, checked: history.operations.length }
        }),
      ])
      for (const session of sessions) {
        await within(SOON_MS, 'session.close() of a worker of app', (async () => session.close())())
      }
      const sum = (key: 'acknowledged' | 'notExecuted' | 'unknown'): number =>
        reports.reduce((total, { report }) => total + report.counts[key], 0)
      return {
        checked: reports.reduce((total, { checked }) => total + checked, 0),
        acknowledged: sum('acknowledged'),
        lookups: found.answers,
        notExecuted: sum('notExecuted') + found.failures,
        unknown: sum('unknown'),
        longestWriteGapMs: Math.max(...reports.map(({ report }) => report.longestWriteGapMs)),
        violations: [
          // Every workload of the process notes the same ones; their stacks say where they come
          // from.
          ...parts[0]!.workload.history.unhandled.map((reason) => ({
            part: 'process',
            kind: 'unhandled' as const,
            who: 'process',
            detail: reason instanceof Error ? `${reason.stack}` : String(reason),
          })),
          ...reports.flatMap(({ name, report }) =>
            report.violations
              .filter(({ kind }) => kind !== 'unhandled')
              .map((violation) => ({ ...violation, part: name })),
          ),
          ...found.violations,
        ],
      }
    },
  }
}

/** Callers whose reads may travel together on the shared lane, and must not be mixed up. */
class Lookers {
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #work: Promise<unknown>
  /** When each looker made the call that it waits for. */
  readonly #since = new Map<number, number>()
  readonly #violations: LoadReport['violations'][number][] = []
  #answers = 0
  #failures = 0

  constructor({ manager }: World, signal: AbortSignal) {
    this.#signal = signal
    const pools = [
      manager.database('app'),
      manager.database('app').reader(),
      manager.database('analytics'),
      manager.database('queue'),
    ]
    const looker = (_: unknown, index: number): Promise<void> =>
      this.#look(pools[index % pools.length]!, index)
    this.#work = Promise.all(Array.from({ length: LOOKERS }, looker))
  }

  async stop(): Promise<{
    answers: number
    failures: number
    violations: LoadReport['violations']
  }> {
    this.#ending.abort()
    const patience = new AbortController()
    const { signal } = patience
    await Promise.race([
      this.#work,
      sleep(DEADLINE_MS + PATIENCE_MS, undefined, { signal }).catch(() => {}),
    ])
    patience.abort()
    for (const [index, since] of this.#since) {
      const ms = Math.round(performance.now() - since)
      this.#wrong('unsettled', `${KINDS[index % 2]}, invoked ${ms} ms ago, has not settled`)
    }
    return { answers: this.#answers, failures: this.#failures, violations: this.#violations }
  }

  async #look(pool: Queryable, index: number): Promise<void> {
    const text = KINDS[index % 2]!
    const options = { intent: 'read', timeoutMs: DEADLINE_MS, signal: this.#signal } as const
    for (let turn = index; !this.#ending.signal.aborted; turn += 1) {
      const id = (turn * 37) % NUMBERS
      this.#since.set(index, performance.now())
      try {
        const { rows } = await pool.query<{ id: number; value: number }>(text, [id], options)
        this.#answers++
        if (rows.length !== 1 || rows[0]!.id !== id || rows[0]!.value !== id * 7) {
          this.#wrong('phantom', `asked for ${id}, got ${JSON.stringify(rows)}`)
        }
      } catch (error) {
        this.#failures++
        if (!isPoolhouseError(error)) this.#wrong('unstated', String(error))
      }
      this.#since.delete(index)
      await sleep(4)
    }
  }

  #wrong(kind: Violation['kind'], detail: string): void {
    this.#violations.push({ part: 'lookups', kind, who: 'a lookup', detail })
  }
}

function everySchema(): string {
  const parts = SCHEMAS.map((schema) => `select id, part from ${schema}.${HISTORY}`)
  return `(${parts.join(' union all ')}) as every_schema`
}

/** What the server itself holds, without a pool. */
function truthOf(node: ClusterNode): Queryable {
  return { query: async (text: string) => ({ rows: await node.sql(text) }) } as unknown as Queryable
}
