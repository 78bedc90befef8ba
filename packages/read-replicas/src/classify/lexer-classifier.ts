import { type Classification, StatementReader } from '@poolhouse/core/sql'
import type { ClassifierOptions, StatementClassifier } from './classification.js'
import { type FunctionRules, readClassifierOptions } from './function-rules.js'
import { NO_NAMES, type OwnNames } from './own-names.js'

/**
 * Makes a classifier that reads the text once, token by token, in linear time and without parsing
 * it. Where tokens alone cannot tell, it says "write" or "unknown". `classify: 'conservative'` and
 * `'optimistic'` use it; call it to name functions of your own.
 *
 * Throws `TypeError` or `RangeError` for unknown or wrong options, and for `reads` that must never
 * run on a replica.
 *
 * @example
 * const classify = lexerClassifier({ mode: 'optimistic', writes: ['app.take_turn'] })
 */
export function lexerClassifier(options: ClassifierOptions = {}): StatementClassifier {
  const { mode, rules } = readClassifierOptions('lexerClassifier', options)
  return Object.freeze({
    mode,
    usesNames: true,
    classify: (text: string, names?: OwnNames) => classifyByTokens(text, rules, names),
  })
}

/** Classifies one text by its tokens. */
export function classifyByTokens(
  text: string,
  rules: FunctionRules,
  names: OwnNames = NO_NAMES,
): Classification {
  return new StatementReader(text, rules, names).read()
}
