import { describeName, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'
import type { Hazard, NameJudgement, NameRules } from '@poolhouse/core/sql'
import type { ClassifierOptions, ClassifyMode } from './classification.js'
import {
  hazardOfAttribute,
  hazardOfColumn,
  hazardOfFunction,
  hazardOfRelation,
  hazardOfSource,
} from './hazards.js'
import { isKnownOperator } from './known-operators.js'
import { NO_NAMES, type OwnNames } from './own-names.js'
import { SAFE_FUNCTIONS } from './safe-functions.js'

const READ: NameJudgement = { verdict: 'read', reason: 'only reads', silent: false }
const NAMED_WRITE: NameJudgement = {
  verdict: 'write',
  reason: 'is named in writes',
  silent: true,
}
const UNKNOWN: NameJudgement = {
  verdict: 'unknown',
  reason: 'is a function that nothing is known of',
  silent: false,
}

const OWN: NameJudgement = {
  verdict: 'unknown',
  reason: 'is the name of a function of the server, and of another one in this database',
  silent: false,
}

const OWN_ATTRIBUTE: NameJudgement = {
  verdict: 'unknown',
  reason: 'may be a function of this database that nothing is known of',
  silent: false,
}

const UNKNOWN_ATTRIBUTE: NameJudgement = {
  verdict: 'unknown',
  reason: 'may be a function that nothing is known of',
  silent: false,
}

// Texts, and with them the names, may come from anywhere.
const MOST_KEPT = 1_000

const KNOWN: ReadonlySet<string> = new Set(['mode', 'reads', 'writes'])
const MODES: readonly ClassifyMode[] = ['conservative', 'optimistic']

/**
 * Judges functions by their names: the server's own by a list of what they do, others by the
 * options of the classifier.
 */
export class FunctionRules implements NameRules<OwnNames> {
  readonly #reads: ReadonlySet<string>
  readonly #writes: ReadonlySet<string>
  // The search path finds an attribute's function, whatever its schema.
  readonly #attributeReads: ReadonlySet<string>
  readonly #attributeWrites: ReadonlySet<string>
  // The judgements of names without a schema, which are almost all.
  readonly #kept = new Map<string, NameJudgement>()

  /** Takes checked names. */
  constructor(reads: readonly string[], writes: readonly string[]) {
    this.#reads = new Set(reads)
    this.#writes = new Set(writes)
    this.#attributeReads = new Set(reads.map(withoutSchema))
    this.#attributeWrites = new Set(writes.map(withoutSchema))
  }

  /**
   * What is known of the function. Names are folded as the server does; `schema` is undefined if
   * the call names none. `own` are the names that the database has of its own.
   */
  judge(schema: string | undefined, name: string, own: OwnNames = NO_NAMES): NameJudgement {
    if (schema !== undefined) return this.#find(schema, name)
    if (own.functions.has(name) && !this.#reads.has(name)) {
      return this.#writes.has(name) ? NAMED_WRITE : OWN
    }
    let judgement = this.#kept.get(name)
    if (judgement === undefined) {
      if (this.#kept.size >= MOST_KEPT) this.#kept.clear()
      judgement = this.#find(undefined, name)
      this.#kept.set(name, judgement)
    }
    return judgement
  }

  /**
   * What is known of a name after a dot, which is a column or a function of one argument. `schema`
   * is the name before the dot; undefined if that is a value, whose type need not have columns.
   */
  judgeAttribute(
    schema: string | undefined,
    name: string,
    own: OwnNames = NO_NAMES,
  ): NameJudgement {
    if (this.#attributeWrites.has(name)) return NAMED_WRITE
    const hazard = hazardOfAttribute(schema, name)
    if (hazard !== undefined) return { verdict: 'write', ...hazard }
    if (own.attributes.has(name)) return this.#attributeReads.has(name) ? READ : OWN_ATTRIBUTE
    if (schema !== undefined || SAFE_FUNCTIONS.has(name)) return READ
    return this.#attributeReads.has(name) ? READ : UNKNOWN_ATTRIBUTE
  }

  /** Whether the operator is known to be harmless by its name. */
  isKnownOperator(operator: string): boolean {
    return isKnownOperator(operator)
  }

  /** Why a relation or schema of this name is not for replicas; undefined if nothing is known. */
  hazardOfRelation(name: string): Hazard | undefined {
    return hazardOfRelation(name)
  }

  /** Why a relation of this name after FROM is not for replicas, as for `hazardOfRelation`. */
  hazardOfSource(name: string, own: OwnNames): Hazard | undefined {
    return hazardOfSource(name, own.sequences)
  }

  /** Why a column of this name is not for replicas, as for `hazardOfRelation`. */
  hazardOfColumn(name: string): Hazard | undefined {
    return hazardOfColumn(name)
  }

  #find(schema: string | undefined, name: string): NameJudgement {
    if (this.#names(this.#writes, schema, name)) return NAMED_WRITE
    if ((schema === undefined || schema === 'pg_catalog') && SAFE_FUNCTIONS.has(name)) return READ
    const hazard = hazardOfFunction(schema, name)
    if (hazard !== undefined) return { verdict: 'write', ...hazard }
    return this.#names(this.#reads, schema, name) ? READ : UNKNOWN
  }

  #names(set: ReadonlySet<string>, schema: string | undefined, name: string): boolean {
    if (set.size === 0) return false
    return set.has(name) || (schema !== undefined && set.has(`${schema}.${name}`))
  }
}

/**
 * Checks the options of a classifier. Throws `TypeError` or `RangeError` naming option and value.
 */
export function readClassifierOptions(
  where: string,
  options: ClassifierOptions,
): { readonly mode: ClassifyMode; readonly rules: FunctionRules } {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`${where}: options must be an object, got ${describeValue(options)}`)
  }
  refuseUnknownOptions(where, options, KNOWN)
  const reads = readNames(where, 'reads', options.reads)
  const writes = readNames(where, 'writes', options.writes)
  for (const full of reads) {
    if (writes.includes(full)) {
      throw new RangeError(`${where}: reads and writes both name "${full}"`)
    }
    const [schema, name] = full.includes('.') ? full.split('.') : [undefined, full]
    const hazard = hazardOfFunction(schema, name!)
    if (hazard !== undefined) {
      throw new RangeError(
        `${where}: reads names "${full}", which ${hazard.reason} and never runs on a replica by its text; use reader() where you mean it`,
      )
    }
  }
  return {
    mode: checkMode(where, options.mode ?? 'conservative'),
    rules: new FunctionRules(reads, writes),
  }
}

function withoutSchema(name: string): string {
  return name.slice(name.indexOf('.') + 1)
}

function checkMode(where: string, mode: unknown): ClassifyMode {
  if (MODES.includes(mode as ClassifyMode)) return mode as ClassifyMode
  throw new TypeError(
    `${where}: mode must be "conservative" or "optimistic", got ${describeValue(mode)}`,
  )
}

function readNames(where: string, option: string, names: unknown): readonly string[] {
  if (names === undefined) return []
  if (!Array.isArray(names)) {
    throw new TypeError(
      `${where}: ${option} must be an array of names, got ${describeValue(names)}`,
    )
  }
  for (const name of names as readonly unknown[]) {
    const parts = typeof name === 'string' ? name.split('.') : []
    if (parts.length < 1 || parts.length > 2 || parts.includes('')) {
      throw new TypeError(
        `${where}: ${option} must hold names such as "search" or "app.search", got ${describeName(name)}`,
      )
    }
  }
  return [...names]
}
