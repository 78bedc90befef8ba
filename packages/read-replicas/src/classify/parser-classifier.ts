import { messageOf } from '@poolhouse/core/kit'
import type { Classification } from '@poolhouse/core/sql'
import type { ClassifierOptions, StatementClassifier } from './classification.js'
import { type FunctionRules, readClassifierOptions } from './function-rules.js'
import { classifyByTokens } from './lexer-classifier.js'
import { NO_NAMES, type OwnNames } from './own-names.js'
import { classifyTree, type SyntaxTree } from './syntax-tree.js'
import { trimComments } from './trim-comments.js'

/** The part of `libpg-query` that is used. */
interface PgQuery {
  loadModule(): Promise<void>
  parseSync(text: string): SyntaxTree
}

// Parsing costs about 5 µs per character in the worst case. The tokens decide about longer texts.
const LONGEST_PARSED = 8_192
const KEPT = 1_000

/**
 * Makes a classifier that parses with PostgreSQL's own grammar, through the package `libpg-query`
 * (16 or later), which must be installed. It decides by the same rules as `lexerClassifier`, but
 * sees what tokens cannot show: columns that are named like commands, aliases that look like calls,
 * names in Unicode escapes. A new text takes about 50 µs. Texts of more than 8 192 characters are
 * judged by their tokens.
 *
 * Resolves when the module is loaded. Rejects with `TypeError` or `RangeError` for unknown or wrong
 * options, and with `Error` if `libpg-query` cannot be loaded.
 *
 * @example
 * const classify = await parserClassifier({ mode: 'optimistic' })
 * const db = withReplicas(primary, replicas, { classify })
 */
export async function parserClassifier(
  options: ClassifierOptions = {},
): Promise<StatementClassifier> {
  const { mode, rules } = readClassifierOptions('parserClassifier', options)
  const pgQuery = await load()
  const keptFor = new WeakMap<OwnNames, Map<string, Classification>>()
  const classify = (text: string, names: OwnNames = NO_NAMES): Classification => {
    if (text.length > LONGEST_PARSED) return classifyByTokens(text, rules, names)
    // Tools add a trace id as a comment, which makes every text unique.
    const bare = trimComments(text)
    if (typeof bare !== 'string') return bare
    let kept = keptFor.get(names)
    if (kept === undefined) {
      kept = new Map()
      keptFor.set(names, kept)
    }
    let found = kept.get(bare)
    if (found === undefined) {
      found = parseAndClassify(pgQuery, bare, rules, names)
      if (kept.size >= KEPT) kept.delete(kept.keys().next().value!)
      kept.set(bare, found)
    }
    return found
  }
  return Object.freeze({ mode, usesNames: true, classify })
}

async function load(): Promise<PgQuery> {
  try {
    const pgQuery = (await import('libpg-query')) as unknown as PgQuery
    await pgQuery.loadModule()
    return pgQuery
  } catch (error) {
    throw new Error(
      'parserClassifier needs the package libpg-query, which could not be loaded; install it, or use lexerClassifier()',
      { cause: error },
    )
  }
}

function parseAndClassify(
  pgQuery: PgQuery,
  text: string,
  rules: FunctionRules,
  names: OwnNames,
): Classification {
  let tree: SyntaxTree
  try {
    tree = pgQuery.parseSync(text)
  } catch (error) {
    const message = messageOf(error)
    return Object.freeze({ verdict: 'write', reason: `it does not parse: ${message}` })
  }
  return classifyTree(tree, text, rules, names)
}
