import { type Driver, isPoolhouseError } from '@poolhouse/core'
import type { ConnectContext, ConnectionListener } from '@poolhouse/core/kit'
import { until } from '../run/waiting.js'
import { type CallWatch, WatchedConnection } from './watched-connection.js'

/** A session that was born, and how often its end was told. */
interface Life {
  readonly number: number
  readonly connection: WatchedConnection | undefined
  closed: number
}

/**
 * Stands between a driver and its user and checks on every call what the contract requires of all
 * calls: each statement and each promise settles once, never too early; the end of a session
 * is told once and is the last that is told; errors are ours.
 */
export class ContractWatch implements CallWatch {
  /** The driver, watched. */
  readonly driver: Driver
  readonly #violations: string[] = []
  readonly #lives: Life[] = []
  readonly #open = new Map<symbol, string>()

  /** Watches everything done through `driver`. */
  constructor(driver: Driver) {
    this.driver = {
      name: driver.name,
      capabilities: driver.capabilities,
      connect: (context) => this.#connect(driver, context),
    }
  }

  /** Breaks every session that is still there. */
  destroyAll(): void {
    for (const { connection } of this.#lives) connection?.destroy('the case is over')
  }

  /**
   * What was found to be against the contract. Waits until everything has settled and says what has
   * not.
   */
  async verdict(): Promise<string[]> {
    const over = (): boolean =>
      this.#open.size === 0 && this.#lives.every(({ closed }) => closed > 0)
    await until(over, 'the end of every session and statement', 2_000).catch(() => {})
    for (const { number, connection, closed } of this.#lives) {
      if (closed === 0) this.note(`the end of session ${number} was never told`)
      if (connection !== undefined && connection.inFlight !== 0) {
        this.note(`session ${number} is over and has ${connection.inFlight} statements in flight`)
      }
    }
    for (const what of this.#open.values()) this.note(`${what} never settled`)
    return this.#violations
  }

  /** Something is against the contract. */
  note(violation: string): void {
    this.#violations.push(violation)
  }

  /** Something has begun that must settle; returns what says that it has. */
  begin(what: string): () => void {
    const key = Symbol(what)
    this.#open.set(key, what)
    return () => this.#open.delete(key)
  }

  /** An error that a caller gets. */
  checkError(what: string, error: unknown): void {
    // Arguments that cannot be sent are the caller's mistake and no business of the server.
    if (isPoolhouseError(error) || error instanceof TypeError || error instanceof RangeError) return
    this.note(`${what} failed with ${String(error)}, which is no PoolhouseError`)
  }

  /** A promise of the driver. */
  async follow<T>(what: string, promise: Promise<T>): Promise<T> {
    const end = this.begin(what)
    try {
      return await promise
    } catch (error) {
      this.checkError(what, error)
      throw error
    } finally {
      end()
    }
  }

  async #connect(driver: Driver, context: ConnectContext): Promise<WatchedConnection> {
    const number = this.#lives.length + 1
    const life = { number, connection: undefined as WatchedConnection | undefined, closed: 0 }
    const watched = { ...context, listener: this.#listener(life, context.listener) }
    const inner = await this.follow('connect', driver.connect(watched)).catch((error: unknown) => {
      if (life.closed > 0) this.note('the end of a session that was never born was told')
      throw error
    })
    life.connection = new WatchedConnection(inner, this, number)
    this.#lives.push(life)
    return life.connection
  }

  #listener(life: Life, listener: ConnectionListener): ConnectionListener {
    const alive = (what: string): void => {
      if (life.closed > 0) this.note(`session ${life.number} told of a ${what} after its end`)
    }
    return {
      closed: (reason) => {
        life.closed++
        if (life.closed === 1) listener.closed(reason)
        else this.note(`the end of session ${life.number} was told ${life.closed} times`)
      },
      notice: (notice) => {
        alive('notice')
        listener.notice(notice)
      },
      notification: (channel, payload) => {
        alive('notification')
        listener.notification(channel, payload)
      },
      parameter: (name, value) => {
        alive('parameter')
        listener.parameter(name, value)
      },
    }
  }
}
