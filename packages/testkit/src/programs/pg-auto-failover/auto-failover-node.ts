import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isThere } from '../../machine/is-there.js'
import { runCommand } from '../../machine/run-command.js'
import { ManagedNode, type NodePlace } from '../managed/managed-node.js'
import type { AutoFailoverPrograms } from './auto-failover-programs.js'

/** What `pg_autoctl create` is told beside the place of the node. */
export interface AutoFailoverRole {
  /** `monitor`, or `postgres` for a node. */
  readonly kind: 'monitor' | 'postgres'
  /** URL of the monitor, for a node. */
  readonly monitor?: string
  /** Whether it begins with a database of its own, as the monitor and the first node do. */
  readonly isFirst: boolean
  /** From where the nodes and their users come, as in `pg_hba.conf`. */
  readonly subnet: string
}

const SETTINGS = `
fsync = off
shared_buffers = 16MB
max_connections = 200
checkpoint_completion_target = 0.0
log_min_messages = warning
logging_collector = off
`

/** A server of pg_auto_failover: `pg_autoctl`, and the PostgreSQL under it. */
export class PgAutoFailoverNode extends ManagedNode {
  readonly #role: AutoFailoverRole
  readonly #programs: AutoFailoverPrograms

  /** Prepares a server; `start` runs it. */
  constructor(place: NodePlace, role: AutoFailoverRole, programs: AutoFailoverPrograms) {
    super(place)
    this.#role = role
    this.#programs = programs
  }

  async start(): Promise<void> {
    const data = join(this.home, 'data')
    const { pgAutoctl, env } = this.#programs
    // What was created before, or joined before, only has to be run.
    const isThereAlready = await isThere(join(this.home, '.config'))
    if (!isThereAlready) {
      await this.makeHome()
      if (this.#role.isFirst) await this.#initialise(data)
    }
    const args = isThereAlready ? ['run', '--pgdata', data] : this.#creation(data)
    this.keeper = this.run('pg_autoctl', pgAutoctl, args, env(this.home))
  }

  #creation(data: string): string[] {
    const { kind, monitor } = this.#role
    return [
      ...['create', kind, '--pgdata', data, '--pgport', String(this.port)],
      ...['--hostname', this.host, '--auth', 'trust', '--no-ssl', '--run'],
      ...(monitor === undefined
        ? []
        : ['--pghost', this.home, '--name', this.name, '--monitor', monitor]),
    ]
  }

  /** The others clone this one, its rules of access and settings included. */
  async #initialise(data: string): Promise<void> {
    const { postgresBin, env } = this.#programs
    await runCommand(
      join(postgresBin, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C', '-E', 'UTF8', '-N'],
      { cwd: this.home, user: this.user, env: env(this.home) },
    )
    await appendFile(join(data, 'postgresql.conf'), SETTINGS)
    const rules = ['all', 'replication'].map(
      (what) => `host ${what} all ${this.#role.subnet} trust`,
    )
    await appendFile(join(data, 'pg_hba.conf'), `${rules.join('\n')}\n`)
  }
}
