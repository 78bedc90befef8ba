import { hintOf, mayHint } from '../classify/hint.js'
import { ambient, type RunWithOptions } from './ambient.js'

/**
 * What is said of a call beside its own options: by `runWith` around it, or else by a hint at the
 * beginning of its text. Undefined for nothing. For pools over replica pools, which could otherwise
 * pass these by. Throws `TypeError` for a hint that says nothing.
 */
export function annotationOf(text: string | undefined): RunWithOptions | undefined {
  const around = ambient()
  if (around?.intent !== undefined || text === undefined || !mayHint(text)) return around
  const intent = hintOf(text)
  return intent === undefined ? around : { ...around, intent }
}
