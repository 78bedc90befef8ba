import type { CopyResult, DriverCopyIn } from '../api/driver.js'
import type { CopyOptions, CopySource } from '../api/streaming.js'
import { messageOf } from '../base/message-of.js'
import { asExecuted } from '../outcome/as-executed.js'
import type { Executed } from '../outcome/outcome.js'
import type { WorkHost } from '../statement/session-work.js'
import { CopyPieces } from './copy-pieces.js'
import { StreamingWork } from './streaming-work.js'

// As long as the socket takes everything at once, all that runs are promise reactions: neither a
// refusal of the server nor other work would be seen before the source is through.
const BYTES_PER_TURN = 1_048_576
// How long the caller waits for a source to end that is told so; it may take for ever, and
// deadlines allow a quarter of a second.
const SOURCE_END_MS = 200
// More than two round trips to a distant server. The cleaning of the session waits four times as
// long, so that a cancel at this point saves it; and a COPY that was told to fail has nothing to
// lose by one.
const POLITE_MS = 500

type SourceIterator = AsyncIterator<Uint8Array | string> | Iterator<Uint8Array | string>

/** One COPY … FROM STDIN with the data of a source. */
export class CopyIn extends StreamingWork {
  readonly #source: CopySource
  // There once the server is ready for data.
  #copy: DriverCopyIn | undefined
  #finishing = false
  #unseenBytes = 0

  /** Takes a checked text, a checked source and checked limits. */
  constructor(host: WorkHost, text: string, source: CopySource, limits: CopyOptions) {
    super(host, 'copyFrom', text, limits)
    this.#source = source
  }

  /** Sends everything, once the work has its session. */
  async run(): Promise<CopyResult> {
    await this.step(
      async (slot) => {
        this.#copy = await slot.connection!.copyIn(this.text)
      },
      () => false,
    )
    await this.#sendAll()
    this.#finishing = true
    return await this.step(
      () => this.#copy!.finish(),
      () => true,
    )
  }

  // Without the end of the data the server cannot have committed anything.
  protected override get outcome(): Executed {
    return this.#finishing ? 'unknown' : 'rolled-back'
  }

  protected override get politeMs(): number {
    return POLITE_MS
  }

  protected override failed(error: unknown): unknown {
    const isUnknown = (error as { executed?: Executed }).executed === 'unknown'
    return isUnknown && !this.#finishing ? asExecuted(error, 'rolled-back') : error
  }

  protected override async unwind(): Promise<void> {
    const { failure } = this
    await this.#copy?.fail(messageOf(failure))
  }

  async #sendAll(): Promise<void> {
    const pieces = new CopyPieces()
    let source: SourceIterator | undefined
    // Whether the source owes us something.
    let asked = true
    try {
      source = iteratorOf(this.#source)
      for (;;) {
        asked = true
        const next = source.next()
        // What is at hand need not be waited for.
        const result = 'then' in next ? await this.#given(next) : next
        asked = false
        if (result.done === true) break
        for (const piece of pieces.add(result.value)) await this.#write(piece)
      }
      for (const piece of pieces.rest()) await this.#write(piece)
    } catch (error) {
      const ours = this.failure !== undefined
      const givenUp = ours && this.stopped
      if (!ours) this.stop(error)
      // One that has failed has ended by that.
      if (ours || !asked) {
        const ended = endOf(source)
        // Of one that is in the middle of something the end may never come.
        if (!asked && !givenUp) await this.#atMost(SOURCE_END_MS, ended)
      }
      // A caller that gave up is free at once; any other gets the failure when all of it is over.
      if (!givenUp) await this.whenFree()
      throw error
    }
  }

  /** Waits for a source. One that gives something has not been forgotten, however little it is. */
  async #given(next: PromiseLike<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> {
    const result = await this.during(next)
    this.slot!.ask(this.host.now())
    return result
  }

  async #atMost(ms: number, ended: Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.host.clock.setTimer(resolve, ms, { keepAlive: true })
      void ended.then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  async #write(piece: Uint8Array): Promise<void> {
    await this.step(
      () => this.#copy!.write(piece),
      () => false,
      false,
    )
    this.#unseenBytes += piece.length
    if (this.#unseenBytes < BYTES_PER_TURN) return
    this.#unseenBytes = 0
    await this.during(new Promise<void>((resolve) => this.host.clock.afterIo(resolve)))
  }
}

function iteratorOf(source: CopySource): SourceIterator {
  // Its characters one by one would be right, and slow.
  if (typeof source === 'string') return [source as string][Symbol.iterator]()
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
  return source[Symbol.iterator]()
}

/** Tells a source that it is not read any further. What it says to that changes nothing. */
async function endOf(source: SourceIterator | undefined): Promise<void> {
  try {
    await source?.return?.()
  } catch {
    // The caller learns why the copy failed, which is why the source was ended.
  }
}
