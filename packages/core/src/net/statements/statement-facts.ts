import { createHash } from 'node:crypto'
import { TextMemory } from '../../sql/text-memory.js'
import { leavesMeaning, type NamingChange, namingChangeOf } from './naming-change.js'
import { hasFixedShape } from './statement-names.js'

/** What is known of a text in every session. */
export class StatementFacts {
  /** What it may do to the meaning of later texts. */
  readonly naming: NamingChange | undefined
  /** Whether it certainly does nothing to that. */
  readonly leavesMeaning: boolean
  /** Whether a prepared statement of it returns the same columns each time. */
  readonly fixedShape: boolean
  /** Whether it may be run under an automatic name. */
  readonly nameable: boolean
  readonly #text: string
  #name: string | undefined

  /** Reads the text once. */
  constructor(text: string) {
    this.#text = text
    this.naming = namingChangeOf(text)
    this.leavesMeaning = leavesMeaning(text)
    this.fixedShape = hasFixedShape(text)
    this.nameable = this.fixedShape && this.naming === undefined
  }

  /** The name that says this text: in whichever session it is met, it stands for nothing else. */
  get name(): string {
    this.#name ??= automaticName(this.#text)
    return this.#name
  }
}

/**
 * The name under which a session prepares a text by itself: 128 bits of its SHA-256, so that no two
 * texts share one.
 */
export function automaticName(text: string): string {
  return `poolhouse_${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`
}

/** Longest text that is kept or named. Longer ones are generated, and seldom come back. */
export const LONGEST_TEXT = 16_384
const facts = new TextMemory(LONGEST_TEXT, (text) => new StatementFacts(text))

/** What is known of a text. A known one costs one look-up. */
export function factsOf(text: string): StatementFacts {
  return facts.of(text)
}
