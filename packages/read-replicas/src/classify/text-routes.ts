import { type Intent, ReadIntentError } from '@poolhouse/core'
import type { Classification } from '@poolhouse/core/sql'
import { changesNames } from './changes-names.js'
import type { StatementClassifier } from './classification.js'
import { fingerprintOf } from './fingerprint.js'
import { FunctionRules } from './function-rules.js'
import { hintOf, mayHint } from './hint.js'
import { LearnedStatements } from './learned-statements.js'
import { classifyByTokens } from './lexer-classifier.js'
import { NO_NAMES, type OwnNames } from './own-names.js'

/** Where an undeclared statement goes, by its text. */
export interface TextRoute {
  /**
   * `reader`: a hint declares it a read. `replica`: its text shows a read, which may turn out to be
   * wrong.
   */
  readonly to: 'primary' | 'reader' | 'replica'
  /** What decided. */
  readonly by: 'nothing' | 'hint' | 'text' | 'experience'
  /** What was found in the text, if it was looked at. */
  readonly classification?: Classification
  /** Whether it may name or rename a function or a sequence. */
  readonly changesNames?: boolean
}

interface Entry extends TextRoute {
  fingerprint?: number
}

const UNSAID: TextRoute = Object.freeze({ to: 'primary', by: 'nothing' })
const HINTED_WRITE: TextRoute = Object.freeze({ to: 'primary', by: 'hint' })
const HINTED_READ: TextRoute = Object.freeze({ to: 'reader', by: 'hint' })
const LEARNED: TextRoute = Object.freeze({ to: 'primary', by: 'experience' })
/** The route of a possible read while the names in its database are not known. */
export const NAMES_UNKNOWN: TextRoute = Object.freeze({
  to: 'primary',
  by: 'text',
  classification: Object.freeze({
    verdict: 'unknown',
    reason: 'the names of functions and sequences in its database are not known yet',
  }),
})
const SERVER_RULES = new FunctionRules([], [])

// Longer texts are mostly built for one call, and would fill the cache with entries that are never
// used again.
const LONGEST_KEPT = 8_192
const GENERATION_SIZE = 1_000
// Databases that share a pool may have different names.
const MOST_CACHES = 8

// Two generations instead of a list in order of use: a hit costs one look-up, and the old
// generation is dropped when the young one is full.
interface Cache {
  readonly names: OwnNames
  young: Map<string, Entry>
  old: Map<string, Entry>
}

/**
 * Decides by text: by hints always, and by classification if there is a classifier. Remembers its
 * decisions and what replicas have refused.
 */
export class TextRoutes {
  readonly #classifier: StatementClassifier | undefined
  readonly #learned = new LearnedStatements()
  readonly #namesNow: (() => OwnNames | undefined) | undefined
  // A decision holds only for the names with which it was made.
  readonly #caches = new Map<OwnNames, Cache>()
  #cache = this.#cacheFor(NO_NAMES)

  /**
   * Without a classifier only hints count. `namesNow` returns the names of the database that the
   * present call is for; undefined while they are not known.
   */
  constructor(classifier: StatementClassifier | undefined, namesNow?: () => OwnNames | undefined) {
    this.#classifier = classifier
    this.#namesNow = namesNow
  }

  /**
   * Where the statement goes. `byTextAlone` decides without names if they are not known yet. Throws
   * `TypeError` for a hint that is neither read nor write, and `ReadIntentError` for a `read` hint
   * on a statement that a replica would run wrongly.
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

  /** Remembers that a replica has refused the statement, so that it goes to the primary. */
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
