import { configJsonSchema } from '@poolhouse/manager'
import type { Outcome } from '../outcome.js'

/** Prints the JSON Schema of a configuration file; the same with `--json`. */
export function schema(): Outcome {
  const document = configJsonSchema()
  return { exitCode: 0, document, text: JSON.stringify(document, null, 2), isBare: true }
}
