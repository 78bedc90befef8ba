import { AsyncLocalStorage } from 'node:async_hooks'
import type { Pool } from '../api/pool.js'
import type { CopyToOptions, StreamIterator, StreamOptions } from '../api/streaming.js'
import { StreamEnds, untilEnd } from '../api/streaming.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { AbortError } from '../outcome/errors.js'
import { CLOSED_BY_READER } from '../stream/streaming-work.js'
import { AnyCall, type CallChanges, changed, type StreamTarget } from './pool-call.js'

type CopyToTarget = Pick<Pool, 'copyTo'>

/** A stream of the pool that was chosen, and its first element. */
export interface OpenedStream<T> {
  /** Where the rest comes from. */
  readonly stream: StreamIterator<T>
  /** What its first `next()` resolved with. */
  readonly first: IteratorResult<T, undefined>
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * What `stream` and `copyTo` have in common: they may be opened on several pools, and one of these
 * streams is kept.
 */
abstract class StreamingCall<
  T,
  Kind extends 'stream' | 'copyTo',
  Options extends StreamOptions | CopyToOptions,
  Target,
> extends AnyCall<Kind, Options, OpenedStream<T>, Target> {
  readonly #opened = new Set<StreamIterator<T>>()
  // Made when the signal is asked for: a `send` that does not wait needs none.
  #wanted: AbortController | undefined
  #giveUp: (() => void) | undefined
  #isSent = false

  override get signal(): AbortSignal {
    this.#wanted ??= this.#watched(new AbortController())
    return this.#wanted.signal
  }

  /** Whether the caller's signal is watched, until `end`. */
  get watches(): boolean {
    return this.#giveUp !== undefined
  }

  async run(pool: Target, changes?: CallChanges): Promise<OpenedStream<T>> {
    if (this.#isSent) throw new AbortError(CLOSED_BY_READER, 'no')
    const stream = this.open(pool, changes)
    this.#opened.add(stream)
    try {
      return { stream, first: await stream.next() }
    } catch (error) {
      this.#opened.delete(stream)
      throw error
    }
  }

  /** Opens a stream on the pool that was chosen. */
  protected abstract open(pool: Target, changes: CallChanges | undefined): StreamIterator<T>

  /**
   * The streams that were opened beside the one that is read are given up, and no more are opened.
   */
  keep(stream: StreamIterator<T>): void {
    this.#isSent = true
    this.#opened.delete(stream)
    // They fail on their own account: the reader has another one.
    for (const other of this.#opened) void other.return().catch(() => undefined)
    this.#opened.clear()
  }

  /** The stream is not wanted any more: what waits is told so, and what was opened is given up. */
  async abandon(): Promise<void> {
    this.#isSent = true
    this.end()
    this.#wanted?.abort(CLOSED_BY_READER)
    const opened = [...this.#opened]
    this.#opened.clear()
    await Promise.all(opened.map((stream) => stream.return()))
  }

  /** Leaves the caller's signal alone from now on. */
  end(): void {
    if (this.#giveUp !== undefined) unwatchSignal(this.options?.signal, this.#giveUp)
    this.#giveUp = undefined
  }

  #watched(wanted: AbortController): AbortController {
    const signal = this.options?.signal
    if (this.#isSent) wanted.abort(CLOSED_BY_READER)
    else if (signal?.aborted) wanted.abort(signal.reason)
    else if (signal !== undefined) {
      this.#giveUp = () => wanted.abort(signal.reason)
      watchSignal(signal, this.#giveUp)
    }
    return wanted
  }
}

/** `stream`. */
export class StreamCall<Row> extends StreamingCall<Row, 'stream', StreamOptions, StreamTarget> {
  readonly kind = 'stream'

  protected open(pool: StreamTarget, changes: CallChanges | undefined): StreamIterator<Row> {
    const { signal, intent } = changes ?? {}
    return pool.stream<Row>(this.statement!, changed(this.options, changes && { signal, intent }))
  }
}

/** `copyTo`. */
export class CopyToCall extends StreamingCall<Uint8Array, 'copyTo', CopyToOptions, CopyToTarget> {
  readonly kind = 'copyTo'

  /** Takes checked arguments that are the call's own. */
  constructor(sql: string, options: CopyToOptions | undefined) {
    super({ text: sql }, options)
  }

  protected open(pool: CopyToTarget, changes: CallChanges | undefined): StreamIterator<Uint8Array> {
    return pool.copyTo(this.statement!.text, changed(this.options, changes))
  }
}

/** What a stream asks of its call. */
type Sent<T> = Pick<
  StreamingCall<T, 'stream' | 'copyTo', StreamOptions, never>,
  'watches' | 'keep' | 'abandon' | 'end'
>

/**
 * What a decorator gives its caller for a stream: `send` is asked at the first `next()`, in the
 * async context in which the stream was asked for. From then on it is the stream of the pool that
 * was chosen.
 */
export class SentStream<T> extends StreamEnds<T> {
  readonly #call: Sent<T>
  // Both until the first `next()` has an answer.
  #send: (() => Promise<OpenedStream<T>>) | undefined
  #inContext: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined
  #opening: Promise<IteratorResult<T, undefined>> | undefined
  #leave: ((end: IteratorResult<T, undefined>) => void) | undefined
  #stream: StreamIterator<T> | undefined
  #isOver = false

  /** Sends nothing yet. */
  constructor(call: Sent<T>, send: () => Promise<OpenedStream<T>>) {
    super()
    this.#call = call
    this.#send = send
    this.#inContext = AsyncLocalStorage.snapshot()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const stream = this.#stream
    if (stream === undefined) return this.#first()
    const next = stream.next()
    return this.#call.watches ? untilEnd(next, () => this.#call.end()) : next
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#isOver = true
    // The first element is awaited no longer, even if `send` notices later.
    this.#leave?.(DONE)
    await Promise.all([this.#call.abandon(), this.#stream?.return()])
    return DONE
  }

  #first(): Promise<IteratorResult<T, undefined>> {
    if (this.#isOver) return Promise.resolve(DONE)
    if (this.#opening !== undefined) {
      // The first caller hears of an error; the others find the stream over.
      const next = (): Promise<IteratorResult<T, undefined>> => this.next()
      return this.#opening.then(next, next)
    }
    const left = new Promise<IteratorResult<T, undefined>>((resolve) => {
      this.#leave = resolve
    })
    this.#opening = Promise.race([left, this.#open()])
    return this.#opening
  }

  async #open(): Promise<IteratorResult<T, undefined>> {
    const send = this.#send!
    try {
      const { stream, first } = await this.#inContext!(send)
      // It was given up by `return()`, as all that were opened.
      if (this.#isOver) return DONE
      this.#call.keep(stream)
      this.#stream = stream
      if (first.done === true) this.#call.end()
      return first
    } catch (error) {
      if (this.#isOver) return DONE
      this.#isOver = true
      // A `send` that fails after it opened a stream leaves that stream without a reader.
      void this.#call.abandon().catch(() => undefined)
      throw error
    } finally {
      this.#send = undefined
      this.#inContext = undefined
      this.#leave = undefined
    }
  }
}
