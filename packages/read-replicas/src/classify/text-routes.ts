import { type Intent, ReadIntentError } from '@poolhouse/core'
import { changesNames } from './changes-names.js'
import type { Classification, StatementClassifier } from './classification.js'
import { fingerprintOf } from './fingerprint.js'
import { FunctionRules } from './function-rules.js'
import { hintOf, mayHint } from './hint.js'
import { LearnedStatements } from './learned-statements.js'
import { classifyByTokens } from './lexer-classifier.js'
import { NO_NAMES, type OwnNames } from './own-names.js'

/** Where a statement goes that nobody has said anything about but its own text. */
export interface TextRoute {
  /**
   * `reader`: it declares itself a read. `replica`: it is taken for one, and may turn out to be
   * none.
   */
  readonly to: 'primary' | 'reader' | 'replica'
  /** What said so. */
  readonly by: 'nothing' | 'hint' | 'text' | 'experience'
  /** What was found in the text, if it was looked at. */
  readonly classification?: Classification
  /** Whether it may give a function or a sequence a name. */
  readonly changesNames?: boolean
}

interface Entry extends TextRoute {
  fingerprint?: number
}

const UNSAID: TextRoute = Object.freeze({ to: 'primary', by: 'nothing' })
const HINTED_WRITE: TextRoute = Object.freeze({ to: 'primary', by: 'hint' })
const HINTED_READ: TextRoute = Object.freeze({ to: 'reader', by: 'hint' })
const LEARNED: TextRoute = Object.freeze({ to: 'primary', by: 'experience' })
/** The route of what may be a read while the names in its database are not known. */
export const NAMES_UNKNOWN: TextRoute = Object.freeze({
  to: 'primary',
  by: 'text',
  classification: Object.freeze({
    verdict: 'unknown',
    reason: 'the names of functions and sequences in its database are not known yet',
  }),
})
const SERVER_RULES = new FunctionRules([], [])

// Longer texts are mostly made up for one call, and would fill the memory with what is never met
// again.
const LONGEST_KEPT = 8_192
const GENERATION_SIZE = 1_000
// Databases that share a pool may have different names.
const MOST_CACHES = 8

// Two generations instead of a list in order of use: a hit is one look-up, and the older half goes
// when the newer is full.
interface Cache {
  readonly names: OwnNames
  young: Map<string, Entry>
  old: Map<string, Entry>
}

/**
 * Decides by text: hints always, classification if there is a classifier. Remembers its decisions,
 * and what replicas have refused.
 */
export class TextRoutes {
  readonly #classifier: StatementClassifier | undefined
  readonly #learned = new LearnedStatements()
  readonly #namesNow: (() => OwnNames | undefined) | undefined
  // What was decided by names holds for these names only.
  readonly #caches = new Map<OwnNames, Cache>()
  #cache = this.#cacheFor(NO_NAMES)

  /**
   * Without a classifier only hints count. `namesNow` tells the names of the database that a call
   * is for, undefined while they are not known.
   */
  constructor(classifier: StatementClassifier | undefined, namesNow?: () => OwnNames | undefined) {
    this.#classifier = classifier
    this.#namesNow = namesNow
  }

  /**
   * Where the statement goes; `byTextAlone` as if the database had no names that are not known yet.
   * Throws `TypeError` for a hint that says nothing, and `ReadIntentError` for one that must be
   * wrong.
   */
  routeOf(text: string, byTextAlone = false): TextRoute {
    if (this.#classifier === undefined) return mayHint(text) ? this.#hinted(text) : UNSAID
    const known = this.#namesNow === undefined ? NO_NAMES : this.#namesNow()
    const names = known ?? NO_NAMES
    if (names !== this.#cache.names) this.#cache = this.#cacheFor(names)
    const entry = this.#cache.young.get(text) ?? this.#lookUp(text, this.#classifier)
    if (entry.to !== 'replica') return entry
    if (known === undefined && !byTextAlone) return NAMES_UNKNOWN
    if (this.#learned.empty) return entry
    entry.fingerprint ??= fingerprintOf(text)
    return this.#learned.has(entry.fingerprint) ? LEARNED : entry
  }

  /** A replica has refused the statement, and the primary is where it belongs. */
  learn(text: string): void {
    this.#learned.add(fingerprintOf(text))
  }

  #lookUp(text: string, classifier: StatementClassifier): Entry {
    const cache = this.#cache
    const entry = cache.old.get(text) ?? this.#decide(text, classifier, cache.names)
    if (text.length > LONGEST_KEPT) return entry
    if (cache.young.size >= GENERATION_SIZE) {
      cache.old = cache.young
      cache.young = new Map()
    }
    cache.young.set(text, entry)
    return entry
  }

  #cacheFor(names: OwnNames): Cache {
    let cache = this.#caches.get(names)
    if (cache === undefined) {
      cache = { names, young: new Map(), old: new Map() }
      if (this.#caches.size >= MOST_CACHES) this.#caches.clear()
      this.#caches.set(names, cache)
    }
    return cache
  }

  #decide(text: string, classifier: StatementClassifier, names: OwnNames): Entry {
    if (mayHint(text)) {
      const hinted = this.#hinted(text)
      if (hinted.by === 'hint') return hinted
    }
    const classification =
      this.#namesNow === undefined ? classifier.classify(text) : classifier.classify(text, names)
    const { verdict } = classification
    const isRead = verdict === 'read' || (verdict === 'unknown' && classifier.mode === 'optimistic')
    if (isRead) return { to: 'replica', by: 'text', classification }
    const changes = this.#namesNow !== undefined && changesNames(text)
    return { to: 'primary', by: 'text', classification, ...(changes && { changesNames: true }) }
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
