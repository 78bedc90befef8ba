import { poll } from '../machine/poll.js'
import {
  type AdminSession,
  type AdminTarget,
  quoteLiteral,
  withAdminSession,
} from './admin-session.js'
import { type BackupSource, cloneDataDirectory } from './base-backup.js'
import type { ClusterNode, PromoteOptions } from './cluster-node.js'
import type { ResolvedClusterOptions } from './cluster-options.js'
import {
  APPLICATION_PASSWORD,
  APPLICATION_USER,
  configureNode,
  connectionInfo,
  writeFollows,
} from './data-directory.js'
import { parseLogPosition } from './log-position.js'
import { type ServerPlace, ServerProcess, type StopMode } from './server-process.js'

/** What a node has to be told about the cluster it is in. */
export interface NodeSurroundings {
  /** The cluster's options. */
  readonly options: ResolvedClusterOptions
  /** All nodes of the cluster, this one among them. */
  readonly nodes: () => readonly ServerNode[]
}

/** The role of a node, as the kit last saw or made it. */
export type NodeRole =
  | { readonly kind: 'replica' }
  | { readonly kind: 'primary'; readonly timeline: number }

const PROMOTE_TIMEOUT_MS = 30_000
const STREAM_TIMEOUT_MS = 30_000
const SETTING_TIMEOUT_MS = 10_000

/** The node behind `ClusterNode`, with what only the cluster itself uses. */
export class ServerNode implements ClusterNode {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #place: ServerPlace
  readonly #surroundings: NodeSurroundings
  readonly #server: ServerProcess
  #role: NodeRole = { kind: 'replica' }
  #promotedAt: number | undefined

  constructor(place: ServerPlace, port: number, surroundings: NodeSurroundings) {
    this.port = port
    this.#place = place
    this.#surroundings = surroundings
    this.#server = new ServerProcess(place)
  }

  get name(): string {
    return this.#place.name
  }

  get url(): string {
    const { database, auth } = this.#surroundings.options
    // A server that asks for no password is given none: Poolhouse refuses one that could ask for a
    // password and does not.
    const password = auth === 'trust' ? '' : `:${encodeURIComponent(APPLICATION_PASSWORD)}`
    return `postgres://${APPLICATION_USER}${password}@${this.host}:${this.port}/${encodeURIComponent(database)}`
  }

  get running(): boolean {
    return this.#server.running
  }

  /** Whether the server is running and not frozen: SQL gets an answer. */
  get responsive(): boolean {
    return this.running && !this.#server.frozen
  }

  get promotedAt(): number | undefined {
    return this.#promotedAt
  }

  get role(): NodeRole {
    return this.#role
  }

  async kill(): Promise<void> {
    await this.#server.kill()
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    await this.#server.stop(mode)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async start(): Promise<void> {
    await this.#server.start()
    await this.#session((session) => this.#learnRole(session))
  }

  async freeze(): Promise<void> {
    this.#server.freeze()
  }

  async thaw(): Promise<void> {
    this.#server.thaw()
  }

  async promote({ refollow = true }: PromoteOptions = {}): Promise<void> {
    await this.#session(async (session) => {
      await session.query('select pg_promote(false)')
      await Promise.all([
        this.#untilPrimary(session),
        ...(refollow ? this.#others().map((node) => node.#refollow(this)) : []),
      ])
    })
  }

  async follow(primary: ClusterNode): Promise<void> {
    if (this.running) {
      await this.#pointAt(primary)
      await this.untilStreamingFrom(primary)
    } else {
      await writeFollows(this.#place, primary.port)
    }
  }

  async pauseReplay(): Promise<void> {
    await this.#session(async (session) => {
      await session.query('select pg_wal_replay_pause()')
      const state = 'select pg_get_wal_replay_pause_state() as state'
      await poll(
        async () => (await session.query<{ state: string }>(state))[0]?.state === 'paused',
        {
          what: `node ${this.name} to pause its replay`,
          timeoutMs: SETTING_TIMEOUT_MS,
        },
      )
    })
  }

  async resumeReplay(): Promise<void> {
    await this.sql('select pg_wal_replay_resume()')
  }

  async setApplyDelay(delayMs: number): Promise<void> {
    if (!Number.isInteger(delayMs) || delayMs < 0) {
      throw new RangeError(`delayMs must be a whole number of milliseconds, got ${delayMs}`)
    }
    await this.#change('recovery_min_apply_delay', `${delayMs}ms`)
    const current =
      "select from pg_settings where name = 'recovery_min_apply_delay' and setting = $1"
    await poll(async () => (await this.sql(current, [String(delayMs)])).length > 0, {
      what: `node ${this.name} to take its apply delay`,
      timeoutMs: SETTING_TIMEOUT_MS,
    })
  }

  async rejoinAs(primary: ClusterNode): Promise<void> {
    const source = this.#surroundings.nodes().find((node) => node === primary)
    if (source === undefined || source === this) {
      throw new TypeError(`node ${this.name} can only rejoin another node of its cluster`)
    }
    await this.kill()
    await cloneDataDirectory(source.backupSource, this.#place)
    await this.configure(source.port)
    await this.start()
    await this.untilStreamingFrom(source)
  }

  async sql<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]> {
    return await this.#session((session) => session.query<Row>(text, values))
  }

  /** What a clone needs to know about this node as its source. */
  get backupSource(): BackupSource {
    return { ...this.#target, ...this.#place }
  }

  /** Writes the configuration files of this stopped node. */
  async configure(follows: number | undefined): Promise<void> {
    const { options } = this.#surroundings
    await configureNode(this.#place, { options, port: this.port, follows })
  }

  /** Makes this cleanly stopped node a replica of another one and starts it on its own data. */
  async startAsReplicaOf(primary: ClusterNode): Promise<void> {
    await writeFollows(this.#place, primary.port)
    await this.start()
    await this.untilStreamingFrom(primary)
  }

  /** Path of the data directory. */
  get dataDirectory(): string {
    return this.#server.dataDirectory
  }

  /** Ends the server for good, in the quickest way that leaves nothing behind. */
  async end(): Promise<void> {
    if (this.responsive) await this.#server.stop('immediate').catch(() => undefined)
    await this.#server.kill() // whatever is left; does nothing after a stop
  }

  /** How far this replica has the log, replayed or not. */
  async receivedPosition(): Promise<bigint> {
    const [row] = await this.sql<{ received: string | null; replayed: string | null }>(
      'select pg_last_wal_receive_lsn()::text as received, pg_last_wal_replay_lsn()::text as replayed',
    )
    const received = parseLogPosition(row?.received)
    const replayed = parseLogPosition(row?.replayed)
    if (replayed > received) return replayed // nothing is received yet after a restart
    return received
  }

  /** Waits until this replica streams from `primary`, as both of them see it. */
  async untilStreamingFrom(primary: ClusterNode): Promise<void> {
    const receiver =
      "select from pg_stat_wal_receiver where status = 'streaming' and sender_port = $1"
    const sender =
      "select from pg_stat_replication where state = 'streaming' and application_name = $1"
    await this.#session((session) =>
      poll(
        async () =>
          (await session.query(receiver, [primary.port])).length > 0 &&
          (await primary.sql(sender, [this.name])).length > 0,
        {
          what: `node ${this.name} to stream from node ${primary.name}; end of its log:`,
          timeoutMs: STREAM_TIMEOUT_MS,
          details: () => this.#server.logTail(),
        },
      ),
    )
  }

  get #target(): AdminTarget {
    const { name, home } = this.#place
    return { name, home, port: this.port, database: this.#surroundings.options.database }
  }

  #session<R>(work: (session: AdminSession) => Promise<R>): Promise<R> {
    return withAdminSession(this.#target, work)
  }

  #others(): ServerNode[] {
    return this.#surroundings
      .nodes()
      .filter((node) => node !== this && node.responsive && node.role.kind === 'replica')
  }

  async #untilPrimary(session: AdminSession): Promise<void> {
    await poll(async () => (await this.#learnRole(session)).kind === 'primary', {
      what: `node ${this.name} to become primary; end of its log:`,
      timeoutMs: PROMOTE_TIMEOUT_MS,
      details: () => this.#server.logTail(),
    })
    this.#promotedAt = performance.now()
  }

  async #learnRole(session: AdminSession): Promise<NodeRole> {
    // pg_control names the new timeline only after a checkpoint; the name of the WAL file at once.
    const [row] = await session.query<{ file: string | null }>(
      'select case when pg_is_in_recovery() then null else pg_walfile_name(pg_current_wal_lsn()) end as file',
    )
    const file = row?.file
    this.#role = file
      ? { kind: 'primary', timeline: Number.parseInt(file.slice(0, 8), 16) }
      : { kind: 'replica' }
    return this.#role
  }

  /** `#pointAt` for a node that may be killed at this very moment. */
  async #refollow(primary: ClusterNode): Promise<void> {
    try {
      await this.#pointAt(primary)
    } catch (error) {
      if (this.responsive) throw error
    }
  }

  async #pointAt(primary: ClusterNode): Promise<void> {
    if (this.#role.kind === 'primary') {
      throw new Error(`node ${this.name} is a primary and cannot follow: use rejoinAs`)
    }
    await this.#change('primary_conninfo', connectionInfo(this.name, primary.port))
  }

  async #change(setting: string, value: string): Promise<void> {
    await this.#session(async (session) => {
      await session.query(`alter system set ${setting} = ${quoteLiteral(value)}`)
      await session.query('select pg_reload_conf()')
    })
  }
}
