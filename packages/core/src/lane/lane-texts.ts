import { FOR_DRIVER, piggybackOf, type Statement, type WithForDriver } from '../api/statement.js'
import { mayShare } from '../sql/may-share.js'
import { TextMemory } from '../sql/text-memory.js'
import { TextCost } from './text-cost.js'

// Longer texts are generated, and seldom come back.
const LONGEST_TEXT = 16_384
// Larger values keep the others waiting.
const MOST_BYTES = 65_536

/** What a lane has learned of the texts of its pool. */
export class LaneTexts {
  readonly #costs = new TextMemory(LONGEST_TEXT, (text) => new TextCost(() => mayShare(text)))

  /**
   * What is known of the text of a statement that may share a connection, as far as is known;
   * undefined for one that may not.
   */
  costOf(statement: Statement): TextCost | undefined {
    const cost = this.#costs.of(statement.text)
    cost.met()
    if (cost.shares === false || statement.name !== undefined) return undefined
    const isPlain =
      piggybackOf(statement) === undefined &&
      (statement as WithForDriver)[FOR_DRIVER] === undefined &&
      statement.text.length <= LONGEST_TEXT
    return isPlain && sizeOf(statement.values) <= MOST_BYTES ? cost : undefined
  }
}

/** How much of the values goes over the line. Lengths of texts stand for their bytes. */
function sizeOf(values: readonly unknown[] | undefined): number {
  let size = 0
  if (values === undefined) return size
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (typeof value === 'string' || value instanceof Uint8Array) size += value.length
  }
  return size
}
