import type { DriverConnection } from '../api/driver.js'
import type { Statement } from '../api/statement.js'
import type { Clock } from '../base/clock.js'
import { type EndTurn, Turns } from '../base/turns.js'
import { OwnQuestion } from '../identity/own-settings.js'
import type { WatchdogLimits } from '../options/watchdog-options.js'
import { hasCondition } from '../outcome/conditions.js'
import { isSameServer } from '../server/server-identity.js'
import { COPY_PIECE_MS, silentSince, uploadMs } from '../slot/silence.js'
import type { Slot } from '../slot/slot.js'
import {
  awaitsData,
  type BackendSighting,
  backendQuestion,
  mayBeLost,
  readBackends,
  reasonLost,
} from './backend-question.js'

/** What the watch sees of the pool's engine. */
interface HalfOpenHost {
  readonly clock: Clock
  /**
   * The limits in force; undefined while no server is asked: the watch is switched off, a pooler
   * stands in between, or the pool closes.
   */
  readonly watchdog: WatchdogLimits | undefined
  /** Every connection that may have a statement in flight. */
  watched(): Iterable<Slot>
  /** Opens a connection outside `max` to the peer of another one. */
  readonly sessions: { openBeside(slot: Slot, signal: AbortSignal): Promise<Slot> }
  /** Where pools that share a budget take turns. */
  readonly seat: { readonly turns?: Turns | undefined } | undefined
  /** Destroys a connection that is half open. */
  readonly departures: { foundHalfOpen(slot: Slot, reason: string): void }
  /** Asks to be checked again at this time. */
  wakeAt(time: number): void
}

/** A connection that has been silent, as it was when its server was asked. */
interface Suspect {
  readonly slot: Slot
  readonly since: number
  readonly pid: number
  first: BackendSighting | undefined
}

// Between the two answers; a round trip if that is longer. What the first one did not see, because
// it was on its way, the second one does.
const APART_MS = 100
// A name that leads to several servers may lead to the right one at the next try.
const MOST_ATTEMPTS = 3
const LONGEST_PAUSE_MS = 30_000
const HEARTBEAT_MS = 1_000
const LEAST_CADENCE_MS = 10

/**
 * Finds connections whose server side is gone while ours waits: a NAT box forgot them, a cable was
 * pulled. No end of the stream will ever come. Silence alone proves nothing, because a slow
 * statement is silent too. When a busy connection has been silent for `silenceMs`, the watch asks
 * the server about the process of that session, over a fresh connection to the same life of the
 * same server. The connection counts as lost when two answers say that the process is gone, or that
 * it waits for its client in an unchanged state, and nothing has come from it meanwhile. A process
 * at work, or one that the role may not see, is left to the deadline of the statement.
 *
 * A process that waits for the data of a `copyFrom` may be waiting for a slow line. It counts as
 * lost when the answers of two rounds show that not one message has arrived between them, while all
 * that we wait for is the server: room in the socket, or the answer to the end of the data.
 *
 * Owns the connection that asks: one at most, kept while something stays silent, because a process
 * that works now may have finished by the next question. It has no timer of its own and never keeps
 * the process alive.
 */
export class HalfOpenWatch {
  readonly #host: HalfOpenHost
  readonly #ownTurns = new Turns()
  readonly #question = new OwnQuestion()
  #asker: Slot | undefined
  #opening: AbortController | undefined
  #busy = false
  #endTurn: EndTurn | undefined
  /** Uploads whose process waited for data in the round before. */
  readonly #uploads = new WeakMap<Slot, Suspect>()
  /** Whether the role may read the progress of a COPY at the server of `#asker`. */
  #tellsProgress = true
  #failures = 0
  #retryAt = 0
  /**
   * How long the last connect took, some round trips: a distant server gets that on top of the
   * deadline of its answer.
   */
  #connectMs = 0

  /** Watches the connections of this engine. */
  constructor(host: HalfOpenHost) {
    this.#host = host
  }

  /**
   * Starts a round of questions if a connection has been silent for too long; hangs up if none is.
   */
  check(now: number): void {
    const limits = this.#host.watchdog
    if (limits === undefined || !this.#isAnySilent(limits, now)) this.#rest()
    else if (this.#busy || now < this.#retryAt) return
    else if (this.#suspects(limits.silenceMs, now).length > 0) {
      this.#busy = true
      void this.#round(limits)
    }
  }

  /**
   * When to check next; `Infinity` if nothing could become silent for too long before
   * something else wakes the pool.
   */
  nextAt(now: number): number {
    const limits = this.#host.watchdog
    if (limits === undefined) return Number.POSITIVE_INFINITY
    const { silenceMs } = limits
    let next = Number.POSITIVE_INFINITY
    for (const { slot, since } of this.#silent()) {
      const due = dueAt(slot, since, silenceMs)
      if (due > now) next = Math.min(next, due)
      else if (!this.#busy) next = Math.min(next, Math.max(this.#retryAt, now + 1))
    }
    // The watch is not told of statements that are sent after this look. The pool's own heartbeat
    // comes soon enough for a long silence.
    if (silenceMs >= HEARTBEAT_MS) return next
    return Math.min(next, now + Math.max(LEAST_CADENCE_MS, silenceMs / 4))
  }

  /** Asks no more: the pool closes. */
  stop(): void {
    this.#opening?.abort(new Error('nothing is asked any more'))
    this.#hangUp()
  }

  // ── what is silent ──

  #silentSince(slot: Slot): number | undefined {
    // What is being cleaned, checked or closed has deadlines of its own.
    if (slot.state !== 'leased' || slot === this.#asker) return undefined
    const since = silentSince(slot)
    return since === undefined ? undefined : since + uploadMs(slot)
  }

  /** Every connection that is silent, however short, and that its server can be asked about. */
  #silent(): Suspect[] {
    const silent: Suspect[] = []
    for (const slot of this.#host.watched()) {
      const since = this.#silentSince(slot)
      if (since === undefined || !mayBeAskedAbout(slot)) continue
      silent.push({ slot, since, pid: slot.connection!.info.backendPid, first: undefined })
    }
    return silent
  }

  #isAnySilent({ silenceMs }: WatchdogLimits, now: number): boolean {
    return this.#silent().some(({ slot, since }) => now - since >= silenceBefore(slot, silenceMs))
  }

  /** Those that have been silent for so long that their server is to be asked now. */
  #suspects(silenceMs: number, now: number): Suspect[] {
    return this.#silent().filter(({ slot, since }) => now >= dueAt(slot, since, silenceMs))
  }

  // ── one round of questions ──

  /** Never rejects. */
  async #round(limits: WatchdogLimits): Promise<void> {
    const { clock } = this.#host
    try {
      await this.#turn()
      const asker = await this.#line(limits)
      if (asker !== undefined) await this.#examine(asker, limits)
      this.#failures = 0
    } catch {
      // No connection, or no answer over it: nothing is known, and the next round tries again.
      this.#hangUp()
      const pauseMs = limits.silenceMs * 2 ** this.#failures++
      this.#retryAt = clock.now() + Math.min(pauseMs, LONGEST_PAUSE_MS)
    }
    this.#busy = false
    if (this.#turns.wanted) this.#hangUp()
    this.#host.wakeAt(clock.now())
  }

  async #examine(asker: Slot, limits: WatchdogLimits): Promise<void> {
    const { clock } = this.#host
    const askedAt = clock.now()
    const all = this.#suspects(limits.silenceMs, askedAt)
    const here = all.filter(({ slot }) => isSameServer(slot.server, asker.server))
    const first = await this.#ask(asker, here, limits)
    const answeredAt = clock.now()
    const doubted: Suspect[] = []
    const uploads: Suspect[] = []
    for (const suspect of here) {
      const { slot, since, pid } = suspect
      const kind = slot.occupant?.kind
      slot.askedAt = answeredAt
      suspect.first = first.get(pid)
      const earlier = this.#uploads.get(slot)
      this.#uploads.delete(slot)
      if (!mayBeLost(suspect.first, kind)) continue
      if (!awaitsData(suspect.first, kind)) doubted.push(suspect)
      else {
        this.#uploads.set(slot, suspect)
        if (earlier?.since === since) uploads.push(earlier)
      }
    }
    await this.#judge(uploads, first)
    if (doubted.length === 0) return
    await this.#pause(Math.max(APART_MS, answeredAt - askedAt))
    const left = doubted.filter((suspect) => this.#isStillSilent(suspect))
    await this.#judge(left, await this.#ask(asker, left, limits))
  }

  /** Reports the connections that this second answer proves lost. */
  async #judge(
    suspects: readonly Suspect[],
    second: ReadonlyMap<number, BackendSighting>,
  ): Promise<void> {
    if (suspects.length === 0) return
    const { clock } = this.#host
    // What has come by now is read before a connection is called silent.
    await new Promise<void>((resolve) => clock.afterIo(resolve))
    for (const suspect of suspects) {
      const { slot, since, pid } = suspect
      const why = reasonLost(suspect.first, second.get(pid), slot.occupant?.kind)
      if (why === undefined || !this.#isStillSilent(suspect)) continue
      const silentMs = Math.round(clock.now() - since)
      this.#host.departures.foundHalfOpen(
        slot,
        `the connection is half open: nothing has come from the server for ${silentMs} ms, which says that its process ${pid} ${why}`,
      )
    }
  }

  #isStillSilent({ slot, since }: Suspect): boolean {
    return !slot.over && this.#silentSince(slot) === since
  }

  // ── the connection that asks ──

  get #turns(): Turns {
    return this.#host.seat?.turns ?? this.#ownTurns
  }

  #turn(): Promise<void> {
    if (this.#endTurn !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#endTurn = this.#turns.take({
        begin: resolve,
        wanted: () => {
          if (!this.#busy) this.#hangUp()
        },
      })
    })
  }

  /** A connection to the server of a silent one; undefined if none is silent any more. */
  async #line({ silenceMs }: WatchdogLimits): Promise<Slot | undefined> {
    const { clock } = this.#host
    for (let attempt = 1; ; attempt++) {
      const now = clock.now()
      const suspects = this.#suspects(silenceMs, now)
      const [suspect] = suspects
      if (suspect === undefined) return undefined
      const asker = this.#asker
      if (asker !== undefined && !asker.over) {
        if (suspects.some(({ slot }) => isSameServer(slot.server, asker.server))) return asker
        if (attempt > MOST_ATTEMPTS) throw new Error('it leads to another server')
        await this.#close()
      }
      const opening = new AbortController()
      this.#opening = opening
      try {
        this.#asker = await this.#host.sessions.openBeside(suspect.slot, opening.signal)
        this.#tellsProgress = true
        this.#connectMs = clock.now() - now
      } finally {
        this.#opening = undefined
      }
    }
  }

  /** One question, whatever the role is set to. Rejects if no answer comes in time. */
  async #ask(
    { connection }: Slot,
    suspects: readonly Suspect[],
    limits: WatchdogLimits,
  ): Promise<ReadonlyMap<number, BackendSighting>> {
    if (suspects.length === 0) return new Map()
    const pids = suspects.map(({ pid }) => pid)
    const put = (uploads: boolean): Promise<ReadonlyMap<number, BackendSighting>> => {
      const question = backendQuestion(pids, uploads)
      return this.#question.ask(question.text, (text) =>
        this.#answer(connection!, { ...question, text }, limits),
      )
    }
    const isUpload = suspects.some(({ slot }) => slot.occupant?.kind === 'copyFrom')
    if (!isUpload || !this.#tellsProgress) return await put(false)
    try {
      return await put(true)
    } catch (error) {
      if (!hasCondition(error, 'insufficient_privilege', 'undefined_table')) throw error
      this.#tellsProgress = false
      return await put(false)
    }
  }

  #answer(
    connection: DriverConnection,
    question: Statement,
    { timeoutMs }: WatchdogLimits,
  ): Promise<ReadonlyMap<number, BackendSighting>> {
    return new Promise((resolve, reject) => {
      const timer = this.#host.clock.setTimer(
        () => this.#host.clock.afterIo(() => reject(new Error('no answer'))),
        timeoutMs + this.#connectMs,
      )
      connection.run(question, (error, result) => {
        timer.cancel()
        if (error === null) resolve(readBackends(result!.rows))
        else reject(error)
      })
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#host.clock.setTimer(resolve, ms)
    })
  }

  /** Nothing is silent for long any more. */
  #rest(): void {
    this.#opening?.abort(new Error('nothing is silent any more'))
    if (!this.#busy) this.#hangUp()
  }

  /** Gives the turn back once the server has one connection less. */
  #hangUp(): void {
    const endTurn = this.#endTurn
    this.#endTurn = undefined
    const closing = this.#close()
    if (endTurn !== undefined) void closing.then(endTurn)
  }

  /** Never rejects. */
  async #close(): Promise<void> {
    const connection = this.#asker?.connection
    this.#asker = undefined
    if (connection === undefined) return
    // In the middle of a question it can only be broken.
    if (connection.inFlight > 0) connection.destroy(new Error('no answer'))
    else await connection.close(CLOSE_MS).catch((error: unknown) => connection.destroy(error))
  }
}

const CLOSE_MS = 2_000

// Two rounds judge an upload, so its first one comes early: both fit into the time of a statement.
const UPLOAD_SHARE = 1 / 4

/** How long a connection has to be silent before its server is asked, in milliseconds. */
function silenceBefore({ occupant }: Slot, silenceMs: number): number {
  return occupant?.kind === 'copyFrom' ? silenceMs * UPLOAD_SHARE : silenceMs
}

/** When the server is to be asked about a silent connection, once more or for the first time. */
function dueAt(slot: Slot, since: number, silenceMs: number): number {
  const { askedAt, occupant } = slot
  if (askedAt <= since) return since + silenceBefore(slot, silenceMs)
  // Between two questions a message of a COPY must have had the time to arrive.
  return askedAt + silenceMs + (occupant?.kind === 'copyFrom' ? COPY_PIECE_MS : 0)
}

/**
 * Whether the server can be asked: it said who it is, and that the process it announced is the
 * session's own. A connection whose `raw` was taken is left to its holder.
 */
function mayBeAskedAbout(slot: Slot): boolean {
  return slot.server?.startedAt !== undefined && slot.hasOwnProcess && !slot.rawTaken
}
