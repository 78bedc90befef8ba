import type { Pool } from '@poolhouse/core'
import { SeededRandom, type VirtualClock } from '@poolhouse/core/testing'
import { createManager, type Manager } from '@poolhouse/manager'
import { fleetDriver } from './fleet-driver.js'
import { type FleetModel, READ, WRITE } from './fleet-model.js'
import type { FleetServer } from './fleet-server.js'

const PAUSE_MS = 20
const ANY_AGE = { maxStalenessMs: Number.POSITIVE_INFINITY }

/**
 * One process: a manager with all its databases on the one cluster. Two of its connections are busy
 * all the time. In a process that reads, both are in one database: one writes on the primary, the
 * other reads on the standbys, so that the one that is promoted finds it warm. In any other process
 * both write, in two databases, and no standby knows them.
 */
export class FleetProcess {
  /** When it was first told that a write had succeeded since it was asked to look. */
  wroteAt: number | undefined
  /** Calls that failed, by what they said. */
  readonly failures: Map<string, number> = new Map()
  /** Calls that succeeded. */
  calls = 0
  /** Whether it reads too. */
  readonly reads: boolean
  readonly #manager: Manager<Record<string, object>>
  readonly #clock: VirtualClock
  // Each keeps one connection busy.
  readonly #writers: readonly Pool[]
  readonly #readers: readonly Pool[]
  readonly #random: () => number
  readonly #busyMs: number
  #isRunning = true
  #looksSince = Number.POSITIVE_INFINITY

  /** Opens nothing before `run`. */
  constructor(
    index: number,
    model: FleetModel,
    clock: VirtualClock,
    servers: ReadonlyMap<string, FleetServer>,
  ) {
    this.#clock = clock
    this.#busyMs = model.busyMs
    this.#random = new SeededRandom(model.seed * 1_000_003 + index).next
    const names = Array.from({ length: model.databases }, (_, each) => `db${each}`)
    const nodes = [...servers.keys()]
    this.#manager = createManager({
      drivers: { fleet: fleetDriver(clock, servers) },
      databases: Object.fromEntries(
        names.map((name) => [
          name,
          { nodes: nodes.map((host) => `postgres://app@${host}/${name}?sslmode=disable`) },
        ]),
      ),
      budget: { instances: 'discover', logInsPerSecond: model.logInsPerSecond },
      clock,
      random: this.#random,
    })
    const drawn = Math.floor(this.#random() * names.length)
    const one = this.#manager.database(names[drawn]!)
    // Another one, if there are two.
    const other = this.#manager.database(names[(drawn + 1) % names.length]!)
    this.reads = this.#random() < model.readingShare
    this.#writers = this.reads ? [one] : [one, other]
    this.#readers = this.reads ? [one.reader(ANY_AGE)] : []
  }

  /** Works until `stop`. */
  run(): void {
    for (const pool of this.#writers) void this.#work(pool, WRITE)
    for (const pool of this.#readers) void this.#work(pool, READ)
  }

  /** From now on the first write that is begun and succeeds is remembered. */
  look(): void {
    this.#looksSince = this.#clock.now()
    this.wroteAt = undefined
  }

  /** Connections to this server that it needs to write on and does not have. */
  missingAt(host: string): number {
    return this.#writers.filter((pool) => {
      const nodes = Object.entries(pool.stats().nodes ?? {})
      return !nodes.some(
        ([name, { total, connecting }]) => name.includes(host) && total > connecting,
      )
    }).length
  }

  /** Ends the work and the manager. */
  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#manager.close({ timeoutMs: 100 })
  }

  #wrote(): void {
    if (this.#clock.now() >= this.#looksSince) this.wroteAt ??= this.#clock.now()
  }

  async #work(pool: Pool, text: string): Promise<void> {
    while (this.#isRunning) {
      try {
        await pool.use(async (lease) => {
          await lease.query(text)
          this.calls++
          if (text === WRITE) this.#wrote()
          await this.#pause(this.#busyMs)
        })
      } catch (error) {
        const { name, code } = error as { name: string; code?: string }
        const what = `${name} ${code ?? ''}`
        this.failures.set(what, (this.failures.get(what) ?? 0) + 1)
      }
      await this.#pause(PAUSE_MS * this.#random())
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.setTimer(resolve, ms))
  }
}
