// Each of the two halves holds so many texts.
const HALF = 1_000

/**
 * What was found out about texts, by text. Two generations instead of an LRU list: a hit is one Map
 * look-up, and the older half is dropped when the newer is full.
 */
export class TextMemory<Value> {
  readonly #longest: number
  readonly #read: (text: string) => Value
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()

  /**
   * `read` finds it out; of a text of more than `longest` characters it is not kept, because such
   * texts are generated and seldom come back.
   */
  constructor(longest: number, read: (text: string) => Value) {
    this.#longest = longest
    this.#read = read
  }

  /** What is known of a text. */
  of(text: string): Value {
    return this.#young.get(text) ?? this.#lookUp(text)
  }

  #lookUp(text: string): Value {
    const value = this.#old.get(text) ?? this.#read(text)
    if (text.length > this.#longest) return value
    if (this.#young.size >= HALF) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, value)
    return value
  }
}
