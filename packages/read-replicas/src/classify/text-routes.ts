import { type Intent, ReadIntentError } from '@poolhouse/core'
import type { Classification, StatementClassifier } from './classification.js'
import { fingerprintOf } from './fingerprint.js'
import { FunctionRules } from './function-rules.js'
import { hintOf, mayHint } from './hint.js'
import { LearnedStatements } from './learned-statements.js'
import { classifyByTokens } from './lexer-classifier.js'

/** Where a statement goes that nobody has said anything about but its own text. */
export interface TextRoute {
  /** `reader`: it declares itself a read. `replica`: it is taken for one, and may turn out to be none. */
  readonly to: 'primary' | 'reader' | 'replica'
  /** What said so. */
  readonly by: 'nothing' | 'hint' | 'text' | 'experience'
  /** What was found in the text, if it was looked at. */
  readonly classification?: Classification
}

interface Entry extends TextRoute {
  fingerprint?: number
}

const UNSAID: TextRoute = Object.freeze({ to: 'primary', by: 'nothing' })
const HINTED_WRITE: TextRoute = Object.freeze({ to: 'primary', by: 'hint' })
const HINTED_READ: TextRoute = Object.freeze({ to: 'reader', by: 'hint' })
const LEARNED: TextRoute = Object.freeze({ to: 'primary', by: 'experience' })
const SERVER_RULES = new FunctionRules([], [])

// Longer texts are mostly made up for one call, and would fill the memory with what is never met again.
const LONGEST_KEPT = 8_192
const GENERATION_SIZE = 1_000

/** Decides by text: hints always, classification if there is a classifier. Remembers its decisions, and what replicas have refused. */
export class TextRoutes {
  readonly #classifier: StatementClassifier | undefined
  readonly #learned = new LearnedStatements()
  // Two generations instead of a list in order of use: a hit is one look-up, and the older half goes when the newer is full.
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()

  /** Without a classifier only hints count. */
  constructor(classifier: StatementClassifier | undefined) {
    this.#classifier = classifier
  }

  /** Where the statement goes. Throws `TypeError` for a hint that says nothing, and `ReadIntentError` for one that must be wrong. */
  routeOf(text: string): TextRoute {
    if (this.#classifier === undefined) return mayHint(text) ? this.#hinted(text) : UNSAID
    const entry = this.#young.get(text) ?? this.#lookUp(text, this.#classifier)
    if (entry.to !== 'replica' || this.#learned.empty) return entry
    entry.fingerprint ??= fingerprintOf(text)
    return this.#learned.has(entry.fingerprint) ? LEARNED : entry
  }

  /** A replica has refused the statement, and the primary is where it belongs. */
  learn(text: string): void {
    this.#learned.add(fingerprintOf(text))
  }

  #lookUp(text: string, classifier: StatementClassifier): Entry {
    const entry = this.#old.get(text) ?? this.#decide(text, classifier)
    if (text.length > LONGEST_KEPT) return entry
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, entry)
    return entry
  }

  #decide(text: string, classifier: StatementClassifier): Entry {
    if (mayHint(text)) {
      const hinted = this.#hinted(text)
      if (hinted.by === 'hint') return hinted
    }
    const classification = classifier.classify(text)
    const { verdict } = classification
    const isRead = verdict === 'read' || (verdict === 'unknown' && classifier.mode === 'optimistic')
    return { to: isRead ? 'replica' : 'primary', by: 'text', classification }
  }

  #hinted(text: string): TextRoute {
    const hint: Intent | undefined = hintOf(text)
    if (hint === undefined) return UNSAID
    if (hint === 'write') return HINTED_WRITE
    const { hazard, reason } =
      this.#classifier?.classify(text) ?? classifyByTokens(text, SERVER_RULES)
    if (hazard !== true) return HINTED_READ
    throw new ReadIntentError(
      `the comment before the statement says that it reads, but ${reason}, which a replica would do without an error, and wrongly`,
    )
  }
}
