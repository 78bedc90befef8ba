import type { StatementPart } from '../protocol/split-statements.js'
import type { AnswerContext } from './answer-context.js'
import { defaultReaction } from './default-answers.js'
import type { Reaction, WireError, WireParameter, WireRow } from './script.js'
import type { ServerMessages } from './server-messages.js'
import type { TransactionState } from './transaction-state.js'
import { encodeRow, type ResultColumn, resultColumns } from './values.js'
import { LinkClosedError, type WireLink } from './wire-link.js'

/** Rows that a statement produced. */
export interface PlayedRows {
  readonly rows: readonly WireRow[]
  readonly columns: readonly ResultColumn[]
  readonly tag: string | undefined
}

/** How a statement ended. Notices have been sent; the rest is the caller's to tell the client. */
export type Played =
  | { readonly kind: 'done'; readonly tag: string }
  | ({ readonly kind: 'rows' } & PlayedRows)
  | { readonly kind: 'failed'; readonly error: WireError }

/** Acts out reactions on one session. */
export class StatementPlayer {
  readonly #link: WireLink
  readonly #out: ServerMessages
  readonly #context: AnswerContext
  readonly #transaction: TransactionState
  #cancel: AbortController | undefined

  constructor(
    link: WireLink,
    out: ServerMessages,
    context: AnswerContext,
    transaction: TransactionState,
  ) {
    this.#link = link
    this.#out = out
    this.#context = context
    this.#transaction = transaction
  }

  /** Ends a wait that is under way; nothing happens otherwise. */
  cancel(): void {
    this.#cancel?.abort()
  }

  /**
   * The columns that a statement will produce; `undefined` for none. Nothing is sent and no time
   * passes. Rows that follow from parameters need their columns spelled out where the parameters
   * are not known yet.
   */
  columnsOf(
    reaction: Reaction | undefined,
    part: StatementPart,
    parameters: readonly WireParameter[] | undefined,
  ): ResultColumn[] | undefined {
    const played = reaction ?? defaultReaction(part, this.#context)
    if ('rows' in played) {
      const { rows, columns } = played
      if (typeof rows !== 'function') return resultColumns(rows, columns)
      return resultColumns(columns || !parameters ? [] : rows(parameters), columns)
    }
    if ('delayMs' in played || 'notice' in played) {
      return this.columnsOf(played.then, part, parameters)
    }
    return undefined
  }

  /** Rejects with `LinkClosedError` when the reaction, or the client, ends the connection. */
  async play(
    reaction: Reaction | undefined,
    part: StatementPart,
    parameters: readonly WireParameter[],
  ): Promise<Played> {
    const played = reaction ?? defaultReaction(part, this.#context)
    if ('error' in played) {
      this.#transaction.failed()
      return { kind: 'failed', error: played.error }
    }
    if ('tag' in played && !('rows' in played)) {
      this.#transaction.completed(played.tag, part)
      return { kind: 'done', tag: played.tag }
    }
    if ('rows' in played) {
      const rows = typeof played.rows === 'function' ? played.rows(parameters) : played.rows
      return { kind: 'rows', rows, columns: resultColumns(rows, played.columns), tag: played.tag }
    }
    if ('delayMs' in played) {
      const error = await this.#wait(played.delayMs)
      return this.play(error ? { error } : played.then, part, parameters)
    }
    if ('notice' in played) {
      this.#out.notice(played.notice)
      return this.play(played.then, part, parameters)
    }
    return this.#leave(played)
  }

  /** Sends rows from `from` on, at most `limit` of them. */
  sendRows({ rows, columns }: PlayedRows, from: number, limit: number): number {
    const page = rows.slice(from, from + limit)
    for (const row of page) this.#out.dataRow(encodeRow(row, columns))
    return page.length
  }

  /** Acts out a reaction that ends the conversation. */
  async #leave(reaction: { hang: true } | { close: true } | { reset: true }): Promise<never> {
    if ('hang' in reaction) return this.#link.hang()
    if ('reset' in reaction) this.#link.reset()
    else this.#link.end()
    throw new LinkClosedError('the script has ended the connection')
  }

  async #wait(delayMs: number): Promise<WireError | undefined> {
    // What was answered before must not wait as well: a notice, the statements ahead in the same
    // text.
    if (!this.#out.empty) await this.#link.send(this.#out.take())
    const cancel = new AbortController()
    this.#cancel = cancel
    try {
      await this.#link.wait(delayMs, cancel.signal)
      return undefined
    } catch (error) {
      if (cancel.signal.aborted) {
        return { code: '57014', message: 'canceling statement due to user request' }
      }
      throw new LinkClosedError('the client is gone', { cause: error })
    } finally {
      this.#cancel = undefined
    }
  }
}
