/** What happens to the connection once the message or its answer has been lost. */
export type DropEnding = 'reset' | 'hang' | 'cut'

/**
 * How a lost COMMIT, or the lost answer to a statement, ends.
 *
 * @example
 * proxy.dropCommitAnswer({ then: 'hang', count: 2 })
 */
export interface DropOptions {
  /**
   * `reset`: the client gets a TCP reset. `cut`: it gets the end of the stream. `hang`: it hears
   * nothing more and its connection stays open. Default `reset`.
   */
  readonly then?: DropEnding
  /**
   * How many statements are hit before the proxy lets them through again. Default 1; `Infinity`
   * hits them until `heal()`.
   */
  readonly count?: number
}

/**
 * A standing order to lose a message. Its owner is the proxy; every connection counts `remaining`
 * down.
 */
export interface DropRule {
  readonly loses: 'answer' | 'request'
  readonly matches: (statement: string) => boolean
  readonly then: DropEnding
  remaining: number
}

/**
 * Makes a rule. Throws `RangeError` for a `count` that is not a positive whole number or
 * `Infinity`.
 */
export function dropRule(
  loses: 'answer' | 'request',
  matches: (statement: string) => boolean,
  options: DropOptions,
): DropRule {
  const { then = 'reset', count = 1 } = options
  if (!(count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count > 0))) {
    throw new RangeError(`count must be a positive whole number or Infinity, not ${count}`)
  }
  return { loses, matches, then, remaining: count }
}
