import type { Span } from '@opentelemetry/api'
import type { ObservedResult, WatchedPool } from '@poolhouse/core/kit'
import { PoolObserver, type Recording } from './pool-observer.js'
import type { SqlCommenter } from './statement/sql-commenter.js'

interface Begun {
  readonly span: Span | undefined
  readonly comment: string
}

/** Records what one pool of connections does, and adds comments to its statements. */
export class CommentingObserver extends PoolObserver {
  readonly #commenter: SqlCommenter

  /** The comments come from this commenter. */
  constructor(pool: WatchedPool, recording: Recording, commenter: SqlCommenter) {
    super(pool, recording)
    this.#commenter = commenter
  }

  override get comments(): boolean {
    return true
  }

  override began(text: string): Begun {
    const span = super.began(text) as Span | undefined
    return { span, comment: this.#commenter.commentOf(text, span) }
  }

  override commented(begun: unknown, text: string): string {
    return text + (begun as Begun).comment
  }

  override waited(begun: unknown, waitMs: number): void {
    super.waited((begun as Begun).span, waitMs)
  }

  override ended(
    begun: unknown,
    text: string,
    durationMs: number,
    error: unknown,
    result: ObservedResult | undefined,
  ): void {
    super.ended((begun as Begun).span, text, durationMs, error, result)
  }
}
