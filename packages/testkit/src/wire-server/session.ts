import { randomInt } from 'node:crypto'
import type { Frame } from '../protocol/frame-reader.js'
import { type Opening, readOpening } from '../protocol/opening.js'
import { authenticate } from './authentication.js'
import { QueryHandler } from './query-handler.js'
import type {
  OnCancel,
  OnConnect,
  OnStatement,
  Reaction,
  WireCancel,
  WireError,
  WireParameter,
  WireScript,
  WireSession,
} from './script.js'
import { ServerMessages } from './server-messages.js'
import { reportedSettings, type WireState } from './server-state.js'
import { StatementPlayer } from './statement-player.js'
import { TransactionState } from './transaction-state.js'
import { LinkClosedError, type WireLink } from './wire-link.js'

/** What a session shares with its server. */
export interface SessionHost {
  readonly state: WireState
  readonly script: WireScript
  readonly onConnect: OnConnect | undefined
  readonly onStatement: OnStatement | undefined
  readonly onCancel: OnCancel | undefined
  /** New sessions are refused with this. */
  readonly connectionError: WireError | undefined
  /** The connection turned out to be a cancel request and not a session. */
  onCancelRequest(cancel: WireCancel): void
  /** Ends what the session with this key waits for. */
  cancel(cancel: WireCancel): void
}

/** Sessions have process ids that look like ones: the id counted from here. */
const FIRST_PID = 1000

/** One connection to a wire server, from its first byte to its end. */
export class Session implements WireSession {
  readonly id: number
  readonly pid: number
  readonly secret: number = randomInt(1, 2 ** 31)
  /** `opening` until the client may send statements. */
  phase: 'opening' | 'ready' | 'closed' = 'opening'
  readonly #link: WireLink
  readonly #host: SessionHost
  readonly #out = new ServerMessages()
  readonly #transaction = new TransactionState()
  readonly #settings = new Map<string, string>()
  readonly #reported = new Map<string, string>()
  readonly #player: StatementPlayer
  #startup: ReadonlyMap<string, string> = new Map()

  constructor(id: number, link: WireLink, host: SessionHost) {
    this.id = id
    this.pid = FIRST_PID + id
    this.#link = link
    this.#host = host
    const session = this
    const context = {
      state: host.state,
      pid: this.pid,
      settings: this.#settings,
      get startup() {
        return session.#startup
      },
      get transactionStatus() {
        return session.#transaction.status
      },
      get readOnlyTransaction() {
        return session.#transaction.readOnly
      },
    }
    this.#player = new StatementPlayer(link, this.#out, context, this.#transaction)
  }

  get startup(): ReadonlyMap<string, string> {
    return this.#startup
  }

  get transactionStatus(): 'I' | 'T' | 'E' {
    return this.#transaction.status
  }

  notify(channel: string, payload = ''): void {
    this.#sendNow((out) => out.notification(this.pid, channel, payload))
  }

  kick(code = '57P01'): void {
    const routine = 'ProcessInterrupts'
    this.#sendNow((out) => out.error({ code, message: kickMessage(code), routine }, 'FATAL'))
    this.#link.end()
  }

  reset(): void {
    this.#link.reset()
  }

  /** Ends a statement that waits, as a cancel request does. */
  cancel(): void {
    this.#player.cancel()
  }

  /** Closes the socket and resolves when it is closed. */
  async destroy(): Promise<void> {
    this.#link.destroy()
    await this.#link.closed
  }

  /** Serves the client until either side ends it. */
  async serve(): Promise<void> {
    try {
      const parameters = await this.#open()
      if (parameters) {
        this.phase = 'ready'
        await this.#talk()
      }
    } catch (error) {
      if (error instanceof LinkClosedError) return
      // A script that throws must show in the test, on the client's side.
      const message = `the wire server failed: ${error instanceof Error ? error.message : String(error)}`
      this.#sendNow((out) => out.error({ code: 'XX000', message }, 'FATAL'))
    } finally {
      this.phase = 'closed'
      this.#link.end()
      await this.#link.closed
    }
  }

  /** Resolves with the start-up parameters once the client is let in. */
  async #open(): Promise<ReadonlyMap<string, string> | undefined> {
    for (;;) {
      const opening = readOpening((await this.#link.receive()).body)
      switch (opening.kind) {
        case 'ssl': {
          const { tls } = this.#host.script
          await this.#link.send(Buffer.from(tls ? 'S' : 'N'))
          if (tls) this.#link.encrypt(tls)
          break
        }
        case 'gss':
          await this.#link.send(Buffer.from('N'))
          break
        case 'cancel':
          await this.#onCancel(opening)
          return undefined
        case 'startup':
          return (await this.#start(opening)) ? opening.parameters : undefined
      }
    }
  }

  async #onCancel({ pid, secret }: WireCancel): Promise<void> {
    this.#host.onCancelRequest({ pid, secret })
    const reaction = this.#host.onCancel?.({ pid, secret })
    if (reaction && 'hang' in reaction) await this.#link.hang()
    if (reaction && 'delayMs' in reaction) {
      await this.#link.wait(reaction.delayMs, new AbortController().signal).catch(() => {})
    }
    if (reaction && 'reset' in reaction) this.#link.reset()
    else if (!reaction || !('close' in reaction)) this.#host.cancel({ pid, secret })
  }

  async #start(opening: Opening & { kind: 'startup' }): Promise<boolean> {
    this.#startup = opening.parameters
    const refusal = await this.#refusal(opening)
    if (refusal) {
      this.#out.error(refusal, refusal.severity ?? 'FATAL')
      await this.#flush()
      return false
    }
    this.#out.authentication(0)
    this.#reportChanges()
    const name = opening.parameters.get('application_name')
    if (name !== undefined) this.#out.parameterStatus('application_name', name)
    this.#out.parameterStatus('session_authorization', opening.parameters.get('user') ?? '')
    this.#out.parameterStatus('is_superuser', 'off')
    this.#out.backendKeyData(this.pid, this.secret)
    await this.#ready()
    return true
  }

  async #refusal(opening: Opening & { kind: 'startup' }): Promise<WireError | undefined> {
    const { major, minor, parameters } = opening
    if (major !== 3) {
      return { code: '0A000', message: `unsupported frontend protocol ${major}.${minor}` }
    }
    const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
    if (minor > 0 || options.length > 0) this.#out.negotiateProtocolVersion(options)
    if (this.#host.connectionError) return this.#host.connectionError
    const error = await this.#react(this.#host.onConnect?.(this))
    return error ?? authenticate(this.#link, parameters.get('user') ?? '', this.#host.script)
  }

  /** Acts out what the script wants of a new connection; gives the error that refuses it. */
  async #react(reaction: Reaction | undefined): Promise<WireError | undefined> {
    if (!reaction || 'rows' in reaction || 'tag' in reaction) return undefined
    const nothing = { text: '', code: '' }
    if ('delayMs' in reaction || 'notice' in reaction) {
      // biome-ignore lint/suspicious/noThenProperty: never a function, so nothing takes it for a promise
      await this.#player.play({ ...reaction, then: { tag: '' } }, nothing, [])
      return this.#react(reaction.then)
    }
    const played = await this.#player.play(reaction, nothing, [])
    return played.kind === 'failed' ? played.error : undefined
  }

  async #talk(): Promise<void> {
    const handler = new QueryHandler({
      out: this.#out,
      player: this.#player,
      transaction: this.#transaction,
      ask: (text: string, parameters: readonly WireParameter[]) =>
        this.#host.onStatement?.(text, this, parameters),
      ready: () => this.#ready(),
      flush: () => this.#flush(),
      fail: (error) => this.#fail(error),
    })
    for (;;) {
      const frame: Frame = await this.#link.receive()
      if (frame.type === 'X') return
      await handler.handle(frame)
    }
  }

  async #fail(error: WireError): Promise<void> {
    this.#out.error(error)
    if (error.severity === undefined || error.severity === 'ERROR') return
    await this.#flush()
    throw new LinkClosedError(`${error.severity} ends the session`)
  }

  async #ready(): Promise<void> {
    this.#reportChanges()
    this.#out.readyForQuery(this.#transaction.status)
    await this.#flush()
  }

  /**
   * PostgreSQL tells of changed settings right before it is ready again, so a promotion is heard
   * with the next answer.
   */
  #reportChanges(): void {
    for (const [name, value] of reportedSettings(this.#host.state)) {
      const own = this.#settings.get(name.toLowerCase()) ?? value
      if (this.#reported.get(name) === own) continue
      this.#reported.set(name, own)
      this.#out.parameterStatus(name, own)
    }
  }

  async #flush(): Promise<void> {
    if (!this.#out.empty) await this.#link.send(this.#out.take())
  }

  #sendNow(write: (out: ServerMessages) => void): void {
    const out = new ServerMessages()
    write(out)
    this.#link.sendNow(out.take())
  }
}

function kickMessage(code: string): string {
  switch (code) {
    case '57P01':
      return 'terminating connection due to administrator command'
    case '57P02':
      return 'terminating connection because of crash of another server process'
    case '57P03':
      return 'the database system is shutting down'
    case '57P05':
      return 'terminating connection due to idle-session timeout'
    case '25P03':
      return 'terminating connection due to idle-in-transaction timeout'
    case '25P04':
      return 'terminating connection due to transaction timeout'
    default:
      return `terminating connection (${code})`
  }
}
