import { Listener } from '../protocol/listener.js'
import type { SeenStatement } from '../protocol/statement-watcher.js'
import { type DropOptions, type DropRule, dropRule } from './drop-rule.js'
import { isCommit } from './is-commit.js'
import { clearLine, type Direction, type LineConditions } from './line-conditions.js'
import { ProxiedConnection, type ProxyContext } from './proxied-connection.js'
import { type ProxyTarget, repointed, targetAddress } from './proxy-target.js'

/** A statement that a client sent through the proxy. */
export interface ProxiedStatement extends SeenStatement {
  /** Number of the connection it came by, counted from 1 in the order of acceptance. */
  readonly connection: number
}

/** Told of every statement on its way to the server, when it reaches the proxy. */
export type StatementListener = (text: string, statement: ProxiedStatement) => void

/**
 * How `delay` treats the line.
 *
 * @example
 * proxy.delay(50, { direction: 'to-client', jitterMs: 10, random: () => 0.5 })
 */
export interface DelayOptions {
  /** Which way is held back. Default `both`. */
  readonly direction?: Direction
  /** Up to this many milliseconds are added to each piece, evenly spread. Default 0. */
  readonly jitterMs?: number
  /**
   * Numbers in [0, 1) for the jitter. Default `Math.random`; pass a seeded one for runs that can be
   * repeated.
   */
  readonly random?: () => number
}

/**
 * How `dropAnswers` chooses and ends.
 *
 * @example
 * proxy.dropAnswers({ to: (statement) => statement.startsWith('insert'), then: 'cut' })
 */
export interface DropAnswersOptions extends DropOptions {
  /**
   * Loses the answers to statements this returns true for. Default: all bytes from the server,
   * `then` and `count` unused.
   */
  readonly to?: (statement: string) => boolean
}

/**
 * A TCP proxy on 127.0.0.1 that breaks the line to a PostgreSQL server on command. Faults add up
 * until `heal()`. The order of bytes is always kept and back-pressure is passed on. Made by
 * {@link startFaultProxy}.
 */
export class FaultProxy implements AsyncDisposable {
  /** Where the proxy listens; always `127.0.0.1`. */
  readonly host: string = '127.0.0.1'
  readonly #target: ProxyTarget
  readonly #listener: Listener
  readonly #toServer = clearLine()
  readonly #toClient = clearLine()
  /** One array for the life of the proxy: every dialogue holds it. */
  readonly #rules: DropRule[] = []
  readonly #connections = new Set<ProxiedConnection>()
  readonly #statementListeners = new Set<StatementListener>()
  readonly #context: ProxyContext
  #accepted = 0
  #encrypted = false
  #closed = false
  #onEmpty: (() => void) | undefined

  /** @internal Use {@link startFaultProxy}. */
  constructor(target: ProxyTarget, port: number) {
    this.#target = target
    this.#context = {
      target: targetAddress(target),
      toServer: this.#toServer,
      toClient: this.#toClient,
      rules: this.#rules,
      onStatement: (statement, connection) => {
        for (const listener of this.#statementListeners) {
          listener(statement.text, { ...statement, connection })
        }
      },
      onEncrypted: (connection) => this.#onEncrypted(connection),
      onClosed: (connection) => {
        this.#connections.delete(connection)
        if (this.#connections.size === 0) this.#onEmpty?.()
      },
    }
    this.#listener = new Listener((client) => {
      if (this.#closed) {
        client.destroy()
        return
      }
      this.#accepted += 1
      this.#connections.add(new ProxiedConnection(this.#accepted, client, this.#context))
    }, port)
  }

  /** @internal Called once by {@link startFaultProxy}. */
  async listen(): Promise<void> {
    await this.#listener.open()
  }

  /** The port clients connect to; it stays the same through `refuse()` and `heal()`. */
  get port(): number {
    return this.#listener.port
  }

  /** Connections whose client holds its end open now. */
  get connections(): number {
    let open = 0
    for (const connection of this.#connections) if (connection.open) open += 1
    return open
  }

  /** Connections ever accepted. */
  get accepted(): number {
    return this.#accepted
  }

  /**
   * A URL that leads through the proxy: `base`, or else the target's URL, with host and port
   * replaced. Throws `TypeError` when `base` is not a `postgres://` URL.
   *
   * @example
   * const pool = createPool({ driver, connection: proxy.url(cluster.primary.url) })
   */
  url(base?: string): string {
    const original =
      base ?? (typeof this.#target === 'string' ? this.#target : 'postgres://target/')
    return repointed(original, this.host, this.port)
  }

  /**
   * Ends every open connection in order (FIN) on both sides. New ones are still accepted.
   *
   * @example
   * proxy.cut()
   */
  cut(): void {
    for (const connection of [...this.#connections]) connection.cut()
  }

  /**
   * Resets every open connection (RST) on both sides. New ones are still accepted.
   *
   * @example
   * proxy.reset()
   */
  reset(): void {
    for (const connection of [...this.#connections]) connection.reset()
  }

  /**
   * Stops listening: clients get ECONNREFUSED. Open connections stay unless `existing` is `reset`.
   *
   * @example
   * proxy.refuse({ existing: 'reset' })
   */
  refuse(options: { existing?: 'keep' | 'reset' } = {}): void {
    this.#listener.stop()
    if (options.existing === 'reset') this.reset()
  }

  /**
   * TCP accepts and nothing passes, on open connections too; not even their end is told to the
   * other side. With `to-server` or `to-client` only that direction is lost. Default `both`.
   *
   * @example
   * proxy.blackHole('to-client')
   */
  blackHole(direction: Direction = 'both'): void {
    this.#on(direction, (line, side) => {
      line.blackHole = true
      for (const connection of this.#connections) connection.swallow(side)
    })
  }

  /**
   * The connections that are open carry nothing any more, and neither side is told, not even of the
   * other's end; new ones work. So does a NAT box treat connections that it has forgotten. With
   * `to-server` or `to-client` only that direction is lost. Default `both`.
   *
   * @example
   * proxy.forget()
   */
  forget(direction: Direction = 'both'): void {
    for (const connection of this.#connections) {
      if (direction !== 'to-client') connection.forget('to-server')
      if (direction !== 'to-server') connection.forget('to-client')
    }
  }

  /**
   * Holds every byte back for `delayMs` milliseconds; 0 ends it for new bytes. Throws `RangeError`
   * for a negative time.
   *
   * @example
   * proxy.delay(50, { jitterMs: 10 })
   */
  delay(delayMs: number, options: DelayOptions = {}): void {
    const { direction = 'both', jitterMs = 0, random = Math.random } = options
    if (!(delayMs >= 0)) throw new RangeError(`delay must be 0 ms or more, not ${delayMs}`)
    if (!(jitterMs >= 0)) throw new RangeError(`jitterMs must be 0 or more, not ${jitterMs}`)
    this.#on(direction, (line) => Object.assign(line, { delayMs, jitterMs, random }))
  }

  /**
   * Lets at most this many bytes per second through, for each connection. `Infinity` ends it.
   * Throws `RangeError` for zero or less; use `blackHole()` for a line that carries nothing.
   *
   * @example
   * proxy.bandwidth(100_000)
   */
  bandwidth(bytesPerSecond: number, direction: Direction = 'both'): void {
    if (!(bytesPerSecond > 0)) {
      throw new RangeError(
        `bandwidth must be more than 0 bytes per second, not ${bytesPerSecond}: use blackHole() for none`,
      )
    }
    this.#on(direction, (line) => {
      line.bytesPerSecond = bytesPerSecond
    })
  }

  /**
   * Lets the next COMMIT through to the server, waits until the server has answered, swallows
   * exactly that answer and ends the client's connection. Answers to what was sent before the
   * COMMIT still arrive. Both protocols, pipelined or not, also a COMMIT within a text of several
   * statements; not the COMMIT of a reset that a pool sends in front of a statement. Throws `Error`
   * when clients encrypt.
   *
   * @example
   * proxy.dropCommitAnswer({ then: 'hang' })
   */
  dropCommitAnswer(options: DropOptions = {}): void {
    this.#addRule(dropRule('answer', isCommit, options))
  }

  /**
   * Loses the next COMMIT before it reaches the server, and what the client sends after it. Answers
   * to what was sent before still arrive. Throws `Error` when clients encrypt.
   *
   * @example
   * proxy.dropCommitRequest()
   */
  dropCommitRequest(options: DropOptions = {}): void {
    this.#addRule(dropRule('request', isCommit, options))
  }

  /**
   * Loses answers while requests get through. Without `to` it swallows all bytes from the server,
   * on open connections too, though their end is still passed on; with `to` it treats the answers
   * to chosen statements as `dropCommitAnswer` does. Throws `Error` for `to` when clients encrypt.
   *
   * @example
   * proxy.dropAnswers({ to: (statement) => statement.startsWith('insert') })
   */
  dropAnswers(options: DropAnswersOptions = {}): void {
    if (options.to) this.#addRule(dropRule('answer', options.to, options))
    else {
      this.#toClient.swallow = true
      for (const connection of this.#connections) connection.swallow('to-client')
    }
  }

  /**
   * Calls `listener` for every statement that clients send in plain text, when it reaches the proxy
   * and before any fault applies to it. Returns what stops it.
   *
   * @example
   * const stop = proxy.onStatement((text, { connection }) => console.log(connection, text))
   * stop()
   */
  onStatement(listener: StatementListener): () => void {
    this.#statementListeners.add(listener)
    return () => void this.#statementListeners.delete(listener)
  }

  /**
   * Ends every fault and listens again; resolves when it does. Delayed bytes are released at once.
   * What was lost stays lost: connections on which anything was lost are reset. Rejects when the
   * port is taken by another process.
   *
   * @example
   * await proxy.heal()
   */
  async heal(): Promise<void> {
    if (this.#closed) throw new Error(`the fault proxy on port ${this.port} is closed`)
    Object.assign(this.#toServer, clearLine())
    Object.assign(this.#toClient, clearLine())
    this.#rules.length = 0
    for (const connection of [...this.#connections]) {
      if (connection.lossy) connection.reset()
      else connection.hurry()
    }
    await this.#listener.open()
  }

  /**
   * Stops listening and closes every connection. Resolves when all sockets are closed; nothing is
   * left running.
   *
   * @example
   * await proxy.close()
   */
  async close(): Promise<void> {
    this.#closed = true
    this.#listener.stop()
    this.#statementListeners.clear()
    if (this.#connections.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#onEmpty = resolve
      })
      for (const connection of [...this.#connections]) connection.destroy()
      await empty
    }
    await this.#listener.closed()
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #on(
    direction: Direction,
    change: (line: LineConditions, side: 'to-server' | 'to-client') => void,
  ): void {
    if (direction !== 'to-client') change(this.#toServer, 'to-server')
    if (direction !== 'to-server') change(this.#toClient, 'to-client')
  }

  #addRule(rule: DropRule): void {
    if (this.#encrypted) throw new Error(ENCRYPTED)
    this.#rules.push(rule)
  }

  #onEncrypted(connection: ProxiedConnection): void {
    this.#encrypted = true
    if (this.#rules.length === 0) return
    // A test that waits for a COMMIT to be lost must not pass because nothing could be read.
    process.emitWarning(`${ENCRYPTED}; the connection was reset`)
    connection.reset()
  }
}

const ENCRYPTED =
  'the fault proxy cannot find statements in an encrypted connection: connect with ssl disabled to drop a COMMIT'

/**
 * Starts a fault proxy in front of `target`. `port` is the port to listen on; default 0, a free
 * one. Rejects when the port is taken; throws `TypeError` for a target that is neither an address
 * nor a `postgres://` URL.
 *
 * @example
 * await using proxy = await startFaultProxy('postgres://app@127.0.0.1:5432/app')
 * const client = new Client(proxy.url())
 * proxy.dropCommitAnswer()
 */
export async function startFaultProxy(
  target: ProxyTarget,
  options: { port?: number } = {},
): Promise<FaultProxy> {
  const proxy = new FaultProxy(target, options.port ?? 0)
  await proxy.listen()
  return proxy
}
