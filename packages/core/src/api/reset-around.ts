/**
 * Key of an option of `transaction` and `acquire`: true has the session reset in front of the
 * borrower's first statement and once more after him, whatever the pool's `reset` says. A symbol,
 * because it is for pools that are built on pools: a manager's tenants that share connections.
 * Behind a pooler it does nothing.
 */
export const RESET_AROUND: unique symbol = Symbol('poolhouse.resetAround')

/** Options that may ask for it. */
export interface WithResetAround {
  /** Whether the session is reset in front and behind. */
  readonly [RESET_AROUND]?: boolean | undefined
}

/** Whether options ask for it. */
export function resetsAround(options: object | undefined): boolean {
  return options !== undefined && (options as WithResetAround)[RESET_AROUND] === true
}
