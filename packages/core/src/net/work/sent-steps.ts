import type { SentStatement } from '../../api/driver.js'
import { isSeveral } from '../../sql/is-several.js'
import { traitsOf } from '../../sql/statement-traits.js'
import { COPIES } from '../../sql/trait-flags.js'
import { factsOf } from '../statements/statement-facts.js'
import { declaredOf } from './declared-types.js'

/** Splits statements where a step of the server ends. */
export function stepsOf(statements: readonly SentStatement[]): SentStatement[][] {
  const steps: SentStatement[][] = []
  let isOpen = false
  for (const statement of statements) {
    if (isOpen) steps.at(-1)!.push(statement)
    else steps.push([statement])
    isOpen = statement.joined === true
  }
  return steps
}

/**
 * Whether nothing may be sent behind a statement before it is answered: what follows a COPY would
 * be its data.
 */
export function isForItself({ statement }: SentStatement): boolean {
  return (traitsOf(statement.text) & COPIES) !== 0 || declaredOf(statement)?.describe !== undefined
}

/** Whether the text of a statement is one in the extended protocol too. */
export function isOne({ statement }: SentStatement): boolean {
  return !isSeveral(statement.text)
}

/**
 * Whether a text may change what a prepared statement behind it does, which is known only from its
 * answer: definitions, or that there is such a statement.
 */
export function mayChange(text: string): boolean {
  const { fixedShape, leavesMeaning } = factsOf(text)
  return !fixedShape && !leavesMeaning
}
