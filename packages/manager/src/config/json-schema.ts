import { z } from 'zod'
import { FILE } from './schema.js'

/**
 * The JSON Schema of a configuration file, for editors: write it beside the file and name it there
 * as `$schema`.
 */
export function configJsonSchema(): Record<string, unknown> {
  // What only code can say (functions, drivers) is left open.
  return {
    title: 'poolhouse.config',
    ...z.toJSONSchema(FILE, { unrepresentable: 'any', io: 'input' }),
  }
}
