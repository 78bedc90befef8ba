import { Socket } from 'node:net'
import { resetSocket } from '../protocol/reset-socket.js'
import type { SeenStatement } from '../protocol/statement-watcher.js'
import { Dialogue } from './dialogue.js'
import type { DropRule } from './drop-rule.js'
import type { LineConditions } from './line-conditions.js'
import { Pipe } from './pipe.js'

/**
 * A reset right behind bytes makes the receiver lose them, or take the reset for the end of the
 * stream (libuv). So that the answers before a lost one are heard, the reset keeps this distance,
 * in milliseconds.
 */
const QUIET_BEFORE_RESET_MS = 10

/** What a connection shares with the proxy it belongs to. */
export interface ProxyContext {
  readonly target: { readonly host: string; readonly port: number }
  readonly toServer: LineConditions
  readonly toClient: LineConditions
  readonly rules: readonly DropRule[]
  onStatement(statement: SeenStatement, connection: number): void
  onEncrypted(connection: ProxiedConnection): void
  /** Both sockets are closed. */
  onClosed(connection: ProxiedConnection): void
}

/** One client, one server and the two pipes between them. */
export class ProxiedConnection {
  readonly id: number
  readonly #client: Socket
  readonly #server: Socket
  readonly #toServer: Pipe
  readonly #toClient: Pipe
  readonly #dialogue: Dialogue
  #clientGone = false
  /** The proxy has ended both sides; what still comes in is thrown away. */
  #over = false
  /** The client hears nothing more on this connection, not even its end. */
  #hung = false

  constructor(id: number, client: Socket, context: ProxyContext) {
    this.id = id
    this.#client = client
    this.#server = new Socket({ allowHalfOpen: true })
    this.#toServer = new Pipe(client, this.#server, context.toServer)
    this.#toClient = new Pipe(this.#server, client, context.toClient)
    this.#dialogue = new Dialogue(context.rules, {
      toServer: (bytes) => this.#toServer.push(bytes),
      toClient: (bytes) => this.#toClient.push(bytes),
      onStatement: (statement) => context.onStatement(statement, id),
      onEncrypted: () => context.onEncrypted(this),
      onLost: (rule) => this.#lose(rule),
    })
    this.#listen(context)
    // In a black hole the handshake would not get through either.
    if (context.toServer.blackHole) this.#toServer.lossy = true
    else {
      this.#server.connect({ ...context.target })
      this.#server.setNoDelay(true)
    }
  }

  /** Whether the client still holds its end open. */
  get open(): boolean {
    return !this.#clientGone && !this.#over
  }

  /** Whether bytes, or the end of one side, were lost on it. */
  get lossy(): boolean {
    return this.#toServer.lossy || this.#toClient.lossy
  }

  /** Ends the stream of both sides; what is still on the line is lost. */
  cut(): void {
    this.#stop()
    this.#client.end()
    this.#endServer()
  }

  /** Resets both sides; what is still on the line is lost. */
  reset(): void {
    this.#stop()
    resetSocket(this.#client)
    this.#resetServer()
  }

  /** Closes both sockets without ceremony. */
  destroy(): void {
    this.#stop()
    this.#client.destroy()
    this.#server.destroy()
  }

  /** A black hole has opened on one direction: what was under way is lost. */
  swallow(direction: 'to-server' | 'to-client'): void {
    if (direction === 'to-server') this.#toServer.lose()
    else this.#toClient.lose()
  }

  /**
   * Nothing passes any more in one direction, for as long as the connection lives. What was under
   * way is lost.
   */
  forget(direction: 'to-server' | 'to-client'): void {
    const pipe = direction === 'to-server' ? this.#toServer : this.#toClient
    pipe.forgotten = true
    pipe.lossy = true
    pipe.lose()
  }

  /** Lets go at once of what a delay or a limit holds back. */
  hurry(): void {
    this.#toServer.hurry()
    this.#toClient.hurry()
  }

  #listen(context: ProxyContext): void {
    const client = this.#client
    const server = this.#server
    client.on('data', (chunk: Buffer) => {
      if (!this.#over) this.#dialogue.fromClient(chunk)
    })
    server.on('data', (chunk: Buffer) => {
      if (!this.#over) this.#dialogue.fromServer(chunk)
    })
    client.on('end', () => {
      this.#clientGone = true
      if (this.#over) return
      // A side that was left hanging has to be ended here.
      if (this.#hung) client.end()
      this.#dialogue.endOfClient()
      this.#toServer.after(() => this.#endServer())
    })
    server.on('end', () => {
      if (this.#over || this.#hung) return
      this.#dialogue.endOfServer()
      this.#toClient.after(() => client.end())
    })
    // A reset goes on as a reset; `close` follows and does the bookkeeping.
    client.on('error', () => {
      this.#clientGone = true
      this.#toServer.after(() => this.#resetServer())
    })
    server.on('error', () => {
      if (!this.#hung) this.#toClient.after(() => resetSocket(client))
    })
    const onClose = (): void => {
      if (!client.destroyed || !server.destroyed) return
      this.#stop()
      context.onClosed(this)
    }
    client.on('close', () => {
      this.#clientGone = true
      onClose()
    })
    server.on('close', onClose)
  }

  #lose(rule: DropRule): void {
    this.#toClient.lossy = true
    if (rule.loses === 'request') this.#toServer.hung = true
    if (rule.then === 'hang') {
      this.#hung = true
      return
    }
    const end = (): void => {
      this.#stop()
      if (rule.then === 'reset') resetSocket(this.#client)
      else this.#client.end()
      // The server got everything that was to reach it, so its side ends in order.
      this.#endServer()
    }
    this.#toClient.after(end, rule.then === 'reset' ? QUIET_BEFORE_RESET_MS : 0)
  }

  #stop(): void {
    this.#over = true
    this.#toServer.close()
    this.#toClient.close()
    // Unread bytes would keep the end of the stream from being seen, or turn a FIN into a reset.
    this.#client.resume()
    this.#server.resume()
  }

  #endServer(): void {
    if (this.#server.pending && !this.#server.connecting) this.#server.destroy()
    else this.#server.end()
  }

  #resetServer(): void {
    if (this.#server.pending && !this.#server.connecting) this.#server.destroy()
    else resetSocket(this.#server)
  }
}
