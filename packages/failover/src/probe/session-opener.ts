import type { ConnectionPool, Session } from '@poolhouse/core'

/** Options of `SessionOpener`. */
export interface OpenerOptions<Line> {
  readonly pool: Pick<ConnectionPool, 'openSession'>
  /** Longest time for one probe, in milliseconds. */
  readonly probeTimeoutMs: number
  /** Takes over a session that was opened, also one that no probe waits for any more. */
  readonly opened: (session: Session) => Line
  /** Whether an attempt failed because of what the server itself said. */
  readonly isAnswer: (error: unknown) => boolean
  /** A newer attempt was opened while an older one hung. */
  readonly overtaken: () => void
}

/** One attempt to open a session. */
interface Attempt<Line> {
  /** It ends with the probe that made it beside another one. */
  readonly isBeside: boolean
  readonly abort: AbortController
  readonly result: Promise<Line>
}

// Opening a session takes several round trips, so on a slow network it takes longer than a probe
// may. It goes on in the background: the next probe does not start over.
const OPENING_PROBES = 5
const OPENING_LEAST_MS = 2_000
const APPLICATION_NAME = 'poolhouse-monitor'

/**
 * Opens the session of a prober. An attempt that outlasts a probe goes on, for a slow line may need
 * it; but it may also hang for good, as in a proxy that took it just before it lost its server. So
 * each later probe makes one attempt of its own beside it, which ends with that probe, and the
 * first session to be open is taken. An attempt keeps the process alive; between two there is time
 * for it to end.
 */
export class SessionOpener<Line> {
  readonly #options: OpenerOptions<Line>
  /** At most one that goes on until its own deadline, then at most one that ends with its probe. */
  #attempts: Attempt<Line>[] = []
  /** Whether the probe under way has made an attempt of its own. */
  #tried = false
  #stopped = false

  /** Opens nothing before the first `open`. */
  constructor(options: OpenerOptions<Line>) {
    this.#options = options
  }

  /**
   * For a probe: resolves with what `opened` made of the first session to be open. Rejects when the
   * server refuses an attempt, or when the newest one fails.
   */
  open(): Promise<Line> {
    if (this.#stopped) return Promise.reject(new Error('the monitor was stopped'))
    const { length } = this.#attempts
    if (length === 0 || (length === 1 && !this.#tried)) {
      this.#tried = true
      this.#begin(length === 1)
    }
    const [oldest, newer] = this.#attempts.map(({ result }) => result)
    if (newer === undefined) return oldest!
    const answered = oldest!.catch((error: unknown) => {
      if (this.#options.isAnswer(error)) throw error
      return newer
    })
    return Promise.race([newer, answered])
  }

  /** Opens a session in the background, if none is being opened. */
  openLater(): void {
    if (!this.#stopped && this.#attempts.length === 0) this.#begin(false)
  }

  /** The probe is over, for which a newer attempt was made beside one that goes on. */
  probeEnded(): void {
    for (const { isBeside, abort } of this.#attempts) {
      if (isBeside) abort.abort(new Error('took too long'))
    }
    this.#attempts = this.#attempts.filter(({ isBeside }) => !isBeside)
    this.#tried = false
  }

  /** Gives up every attempt. */
  stop(): void {
    this.#stopped = true
    for (const { abort } of this.#attempts) abort.abort(new Error('the monitor was stopped'))
    this.#attempts = []
  }

  #begin(isBeside: boolean): void {
    const { pool, probeTimeoutMs, opened, overtaken } = this.#options
    const abort = new AbortController()
    const result = pool
      .openSession({
        timeoutMs: Math.max(OPENING_LEAST_MS, OPENING_PROBES * probeTimeoutMs),
        applicationName: APPLICATION_NAME,
        signal: abort.signal,
      })
      .then(
        (session) => {
          if (abort.signal.aborted) {
            session.destroy('another session was opened first')
            throw abort.signal.reason
          }
          const others = this.#attempts.filter((one) => one !== attempt)
          this.#attempts = []
          for (const one of others) one.abort.abort(new Error('another session was opened first'))
          const line = opened(session)
          if (isBeside && others.length > 0) overtaken()
          return line
        },
        (error: unknown) => {
          this.#attempts = this.#attempts.filter((one) => one !== attempt)
          throw error
        },
      )
    // A probe that waits for the session handles the failure. Without one it need not be reported.
    result.catch(() => {})
    const attempt: Attempt<Line> = { isBeside, abort, result }
    this.#attempts.push(attempt)
  }
}
