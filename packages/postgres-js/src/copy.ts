import type { CopyAnswer, RunningCopy } from '@poolhouse/core/net'
import { copyFail, FROM_SERVER } from './messages.js'
import { SessionWork, tagOf, type WorkHost } from './session-work.js'
import { Submission } from './submission.js'

/**
 * What both directions of COPY have in common: the way of its text through postgres.js.
 *
 * It takes the place of the streams of postgres.js, which say that all was well before the server
 * has, or never say what was wrong.
 */
export abstract class CopyWork<Copy extends RunningCopy> extends SessionWork {
  /** What becomes of the text. */
  protected abstract readonly answer: CopyAnswer<Copy>
  readonly #text: string

  /** Sends nothing yet. */
  constructor(host: WorkHost, text: string) {
    super(host)
    this.#text = text
  }

  protected override prepare(): Submission {
    // What is copied out may be a query that changes the session.
    this.host.prepared.choose({ text: this.#text }, undefined)
    return new Submission(this, { text: this.#text, values: undefined, name: '', known: false })
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.copyInResponse) this.host.send(copyFail(this.answer.refuseData()))
    else if (kind === FROM_SERVER.commandComplete) this.answer.completed(tagOf(buffer, from, to))
  }

  override wantsRepeat(): boolean {
    return false
  }

  protected override report(): void {
    this.answer.settle(this.refusal && this.refusedWith(this.refusal))
  }

  override refuse(error: Error): void {
    this.answer.lose(error)
  }
}
