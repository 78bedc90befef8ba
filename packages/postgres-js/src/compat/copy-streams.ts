import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import type { SqlTarget } from './sql-target.js'

/** Begins `COPY … TO STDOUT`. Resolves with its data once the server has begun to send them. */
export async function readableOf(target: SqlTarget, text: string): Promise<Readable> {
  const chunks = target.copyTo(text)
  const first = await chunks.next()
  async function* all(): AsyncGenerator<Uint8Array> {
    if (first.done === true) return
    yield first.value
    yield* chunks
  }
  const readable = Readable.from(all(), { objectMode: false })
  readable.once('close', () => {
    chunks.return().catch(() => undefined)
  })
  return readable
}

/** Begins `COPY … FROM STDIN`. Resolves with the stream for its data once the server is ready. */
export async function writableOf(target: SqlTarget, text: string): Promise<Writable> {
  const line = new CopyLine()
  const copied = target.copyFrom(text, line)
  copied.catch((error: Error) => line.writable.destroy(error))
  await Promise.race([line.ready, copied])
  line.over = copied
  return line.writable
}

type Taken = (result: IteratorResult<Uint8Array, undefined>) => void

/** The data of one COPY, from a stream that is written to, to a COPY that asks for them. */
class CopyLine implements AsyncIterable<Uint8Array> {
  readonly writable: Writable
  /** Resolves when the server is ready for data. */
  readonly ready: Promise<void>
  /** Settles when the COPY is over. */
  over: Promise<unknown> = Promise.resolve()
  #begun!: () => void
  #wanted: { take: Taken; fail: (error: Error) => void } | undefined
  // What was written and is not asked for yet.
  #offered: { chunk: Uint8Array; taken: () => void } | undefined
  #end: 'complete' | Error | undefined

  constructor() {
    this.ready = new Promise((resolve) => {
      this.#begun = resolve
    })
    this.writable = new Writable({
      write: (chunk: Uint8Array, _encoding, taken) => {
        this.#offered = { chunk, taken }
        this.#give()
      },
      final: (finished) => {
        this.#end = 'complete'
        this.#give()
        this.over.then(() => finished(), finished)
      },
      destroy: (error, finished) => {
        // A stream that is destroyed before its end undoes the COPY.
        this.#end ??= error ?? new Error('the stream of the COPY was destroyed')
        this.#give()
        finished(error)
      },
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () =>
        new Promise((take, fail) => {
          this.#begun()
          this.#wanted = { take, fail }
          this.#give()
        }),
      return: async () => {
        if (!this.writable.writableFinished && this.#end === undefined) {
          this.writable.destroy(new Error('the COPY is over'))
          if (!this.writable.closed) await once(this.writable, 'close').catch(() => undefined)
        }
        return { done: true, value: undefined }
      },
    }
  }

  #give(): void {
    const wanted = this.#wanted
    if (wanted === undefined) return
    const offered = this.#offered
    if (offered !== undefined) {
      this.#wanted = undefined
      this.#offered = undefined
      wanted.take({ done: false, value: offered.chunk })
      offered.taken()
    } else if (this.#end !== undefined) {
      this.#wanted = undefined
      if (this.#end === 'complete') wanted.take({ done: true, value: undefined })
      else wanted.fail(this.#end)
    }
  }
}
