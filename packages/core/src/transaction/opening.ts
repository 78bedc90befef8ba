import { beginsFirst } from '../api/call-options.js'
import type { Statement } from '../api/statement.js'
import type { TransactionOptions } from '../api/transaction.js'
import type { Slot } from '../slot/slot.js'
import { traitsOf } from '../sql/statement-traits.js'
import { COPIES } from '../sql/trait-flags.js'
import { beginStatement } from './transaction-identity.js'

/** The options of a transaction whose caller gave none. */
export const NO_OPTIONS: TransactionOptions = Object.freeze({})

const BEGIN: readonly Statement[] = [{ text: 'BEGIN' }]

/** What is sent in front of the first statement of a transaction with these options, in order. */
export function openingOf(options: TransactionOptions): readonly Statement[] {
  if (options === NO_OPTIONS) return BEGIN
  const begin = { text: beginStatement(options) }
  return options.openWith === undefined ? [begin] : [begin, options.openWith]
}

/**
 * Whether a transaction with these options is begun before its work, and not with the first
 * statement of it:
 *
 * - the driver sends nothing in one piece
 * - a pool over pools asks for it, or takes the identity from the answer to BEGIN
 * - a reset travels in front: what fails with that goes to another connection, so the work must not
 *   have begun
 */
export function beginsApart({ connection, marks }: Slot, options: TransactionOptions): boolean {
  if (connection!.runTogether === undefined || marks.resetDue) return true
  if (options === NO_OPTIONS) return false
  const { openWith, resolver } = options
  return (
    beginsFirst(options) ||
    resolver !== undefined ||
    (openWith !== undefined && (traitsOf(openWith.text) & COPIES) !== 0)
  )
}
