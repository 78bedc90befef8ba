import type { AutoPrepare } from '../../api/statement-rules.js'
import { NamedStatement } from './named-statement.js'
import { factsOf, LONGEST_TEXT } from './statement-facts.js'

interface Candidate {
  /** Uses until it is given a name. */
  due: number
  named: NamedStatement | undefined
}

/**
 * Gives names to statements that one session runs again and again. Texts stand in two generations:
 * when the younger is full the older is dropped, and what was used meanwhile has moved to the
 * younger. So a hit is one look-up, and what is dropped is what has not been used for longest.
 */
export class AutomaticNames {
  readonly #rules: AutoPrepare
  readonly #drop: (statement: NamedStatement) => void
  readonly #generation: number
  #young = new Map<string, Candidate>()
  #old: Map<string, Candidate> | undefined

  /** `drop` is called for each statement that is given up. */
  constructor(rules: AutoPrepare, drop: (statement: NamedStatement) => void) {
    this.#rules = rules
    this.#drop = drop
    this.#generation = Math.max(1, Math.floor(rules.max / 2))
  }

  /**
   * The statement to run a text as, or undefined if it cannot have a name or has not been used
   * often enough.
   */
  use(text: string): NamedStatement | undefined {
    const candidate = this.#young.get(text)
    if (candidate === undefined) return this.#admit(text)
    return candidate.named ?? this.#name(candidate, text)
  }

  #admit(text: string): NamedStatement | undefined {
    if (text.length > LONGEST_TEXT || !factsOf(text).nameable) return undefined
    const candidate = this.#old?.get(text) ?? { due: this.#rules.after, named: undefined }
    this.#old?.delete(text)
    if (this.#young.size >= this.#generation) this.#turn()
    this.#young.set(text, candidate)
    return candidate.named ?? this.#name(candidate, text)
  }

  #name(candidate: Candidate, text: string): NamedStatement | undefined {
    if (--candidate.due > 0) return undefined
    candidate.named = new NamedStatement(factsOf(text).name, text, true)
    return candidate.named
  }

  #turn(): void {
    for (const { named } of this.#old?.values() ?? []) if (named !== undefined) this.#drop(named)
    this.#old = this.#young
    this.#young = new Map()
  }
}
