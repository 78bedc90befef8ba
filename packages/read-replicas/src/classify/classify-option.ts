import { describeValue } from '@poolhouse/core/kit'
import type { ClassifyMode, StatementClassifier } from './classification.js'
import { lexerClassifier } from './lexer-classifier.js'

/**
 * Checks the option `classify` and makes the classifier that it stands for. Throws `TypeError`
 * naming the value.
 */
export function readClassify(
  where: string,
  option: ClassifyMode | StatementClassifier | undefined,
): StatementClassifier | undefined {
  if (option === undefined) return undefined
  if (option === 'conservative' || option === 'optimistic') return lexerClassifier({ mode: option })
  const { mode, classify } = (option ?? {}) as Partial<StatementClassifier>
  if (typeof classify === 'function' && (mode === 'conservative' || mode === 'optimistic')) {
    return option as StatementClassifier
  }
  throw new TypeError(
    `${where}: classify must be "conservative", "optimistic" or a classifier such as lexerClassifier() makes, got ${describeValue(option)}`,
  )
}
