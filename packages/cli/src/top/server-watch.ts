import { messageOf, printable, readInteger, readText } from '@poolhouse/core/kit'
import { type LineOptions, ServerLine } from '../server/server-line.js'
import { askState, type ServerState } from '../server/server-state.js'
import type { TargetServer } from '../target/target.js'

/** What the clients of one database do on a server now. */
export interface Activity {
  /** Sessions of clients. */
  readonly clients: number
  /** Those that run a statement. */
  readonly active: number
  /** Those in an open transaction that wait for their client. */
  readonly inTransaction: number
  /** Those that wait for a lock. */
  readonly blocked: number
  /** Age of the oldest transaction, in milliseconds; undefined if there is none. */
  readonly oldestMs: number | undefined
  /** Transactions since the statistics were reset. */
  readonly transactions: number
  /** The names of the applications, and how many sessions each has, most first. */
  readonly applications: readonly { readonly name: string; readonly clients: number }[]
}

/** One server at one moment. */
export interface ServerSample {
  /** `host:port/database`. */
  readonly server: string
  /** What it is; undefined if it did not answer. */
  readonly state: ServerState | undefined
  /** What its clients do. */
  readonly activity: Activity | undefined
  /** Transactions per second since the sample before; undefined for the first one. */
  readonly perSecond: number | undefined
  /** Why it did not answer. */
  readonly error: string | undefined
}

const ACTIVITY = `\
select pg_catalog.count(*)::int as clients,
  pg_catalog.count(*) filter (where a.state = 'active')::int as active,
  pg_catalog.count(*) filter (where a.state like 'idle in transaction%')::int as in_transaction,
  pg_catalog.count(*) filter (where a.wait_event_type = 'Lock')::int as blocked,
  (extract(epoch from pg_catalog.max(pg_catalog.clock_timestamp() - a.xact_start)) * 1000)::bigint::text as oldest_ms,
  (select (d.xact_commit + d.xact_rollback)::text from pg_catalog.pg_stat_database d
    where d.datname = pg_catalog.current_database()) as transactions
from pg_catalog.pg_stat_activity a
where a.backend_type = 'client backend' and a.datname = pg_catalog.current_database()
  and a.pid <> pg_catalog.pg_backend_pid()`

const APPLICATIONS = `\
select coalesce(nullif(a.application_name, ''), '(no name)') as name, pg_catalog.count(*)::int as clients
from pg_catalog.pg_stat_activity a
where a.backend_type = 'client backend' and a.datname = pg_catalog.current_database()
  and a.pid <> pg_catalog.pg_backend_pid()
group by 1 order by 2 desc, 1 limit 5`

/**
 * Looks at one server again and again, over one connection, which is opened anew when it is lost.
 */
export class ServerWatch {
  /** The server. */
  readonly server: TargetServer
  readonly #options: LineOptions
  #line: ServerLine | undefined
  #former: { readonly transactions: number; readonly at: number } | undefined

  /** Opens nothing yet. */
  constructor(server: TargetServer, options: LineOptions) {
    this.server = server
    this.#options = options
  }

  /** Looks at it now. Rejects only when its signal has fired. */
  async sample(): Promise<ServerSample> {
    const server = this.server.endpoint
    try {
      if (this.#line === undefined) this.#line = await ServerLine.open(this.server, this.#options)
      const state = await askState(this.#line)
      const activity = await askActivity(this.#line)
      return { server, state, activity, perSecond: this.#rate(activity), error: undefined }
    } catch (error) {
      await this.close()
      this.#options.signal.throwIfAborted()
      const nothing = { state: undefined, activity: undefined, perSecond: undefined }
      return { server, ...nothing, error: printable(messageOf(error)) }
    }
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    const line = this.#line
    this.#line = undefined
    this.#former = undefined
    await line?.close()
  }

  #rate({ transactions }: Activity): number | undefined {
    const former = this.#former
    const at = performance.now()
    this.#former = { transactions, at }
    if (former === undefined || transactions < former.transactions) return undefined
    return ((transactions - former.transactions) * 1_000) / (at - former.at)
  }
}

async function askActivity(line: ServerLine): Promise<Activity> {
  const [row = {}] = await line.ask<Record<string, unknown>>(ACTIVITY)
  const applications = await line.ask<Record<string, unknown>>(APPLICATIONS)
  const number = (name: string): number => readInteger(row[name]) ?? 0
  return {
    clients: number('clients'),
    active: number('active'),
    inTransaction: number('in_transaction'),
    blocked: number('blocked'),
    oldestMs: readInteger(row['oldest_ms']),
    transactions: number('transactions'),
    applications: applications.map(({ name, clients }) => ({
      name: printable(readText(name) ?? ''),
      clients: readInteger(clients) ?? 0,
    })),
  }
}
