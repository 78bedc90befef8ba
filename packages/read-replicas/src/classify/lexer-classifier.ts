import type { Classification, ClassifierOptions, StatementClassifier } from './classification.js'
import { type FunctionRules, readClassifierOptions } from './function-rules.js'
import { StatementReader } from './statement-reader.js'

/**
 * Makes a classifier that reads the text once, token by token, without parsing it: in linear time, and with "write" or
 * "unknown" wherever tokens alone cannot tell. It is what `classify: 'conservative'` and `'optimistic'` use; call it to name
 * functions of your own.
 *
 * Throws `TypeError` or `RangeError` for unknown or wrong options, and for `reads` that must never run on a replica.
 *
 * ```ts
 * const classify = lexerClassifier({ mode: 'optimistic', writes: ['app.take_turn'] })
 * ```
 */
export function lexerClassifier(options: ClassifierOptions = {}): StatementClassifier {
  const { mode, rules } = readClassifierOptions('lexerClassifier', options)
  return Object.freeze({ mode, classify: (text: string) => classifyByTokens(text, rules) })
}

/** Classifies one text by its tokens. */
export function classifyByTokens(text: string, rules: FunctionRules): Classification {
  return new StatementReader(text, rules).read()
}
