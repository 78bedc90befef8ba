const FIRST_NUMBER = 1_024

/** Some words and the flags that they have in common. */
export type WordGroup = readonly [words: string, flag: number]

/**
 * Words of SQL with a number and flags each, found at a place of a text without making a string.
 * The words are in lower case and hold letters, underscores and digits; a group is one string with
 * spaces between its words.
 */
export class WordTable {
  readonly #numbers = new Map<string, number>()
  readonly #flags: number[] = []
  readonly #words: readonly string[]
  readonly #slots: Int16Array
  readonly #mask: number
  readonly #shortest: number

  /** A word may stand in several groups, and then has the flags of all. */
  constructor(groups: readonly WordGroup[]) {
    for (const [words, flag] of groups) {
      for (const word of words.split(' ')) {
        const index = (this.#numbers.get(word) ?? this.#numbers.size + FIRST_NUMBER) - FIRST_NUMBER
        this.#numbers.set(word, index + FIRST_NUMBER)
        this.#flags[index] = (this.#flags[index] ?? 0) | flag
      }
    }
    this.#words = [...this.#numbers.keys()]
    this.#shortest = Math.min(...this.#words.map(({ length }) => length))
    const size = 2 ** Math.ceil(Math.log2(this.#words.length * 4))
    this.#mask = size - 1
    this.#slots = new Int16Array(size).fill(-1)
    for (const [index, word] of this.#words.entries()) {
      let slot = hashOf(word) & this.#mask
      while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask
      this.#slots[slot] = index
    }
  }

  /**
   * The number of the word that stands there, in any case, with this hash; 0 if the table does not
   * hold it.
   */
  at(text: string, start: number, end: number, hash: number): number {
    if (end - start < this.#shortest) return 0
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot]!
      if (index === -1) return 0
      if (isAt(text, start, end, this.#words[index]!)) return FIRST_NUMBER + index
    }
  }

  /** The number of a word; 0 if the table does not hold it. */
  find(word: string): number {
    return this.#numbers.get(word) ?? 0
  }

  /** The number of a word. Throws `RangeError` if the table does not hold it. */
  number(word: string): number {
    const number = this.find(word)
    if (number === 0) throw new RangeError(`"${word}" is not in the table`)
    return number
  }

  /** The word of this number. */
  wordOf(number: number): string {
    return this.#words[number - FIRST_NUMBER]!
  }

  /** The flags of the word of this number. 0, which is no word, has none. */
  flagsOf(number: number): number {
    return number === 0 ? 0 : this.#flags[number - FIRST_NUMBER]!
  }
}

/** The hash of a word with one more character, which must be in lower case. */
export function addToHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0
}

function hashOf(word: string): number {
  let hash = 0
  for (let index = 0; index < word.length; index++) hash = addToHash(hash, word.charCodeAt(index))
  return hash
}

function isAt(text: string, start: number, end: number, word: string): boolean {
  if (word.length !== end - start) return false
  for (let index = 0; index < word.length; index++) {
    const code = text.charCodeAt(start + index)
    const folded = code >= 0x41 && code <= 0x5a ? code | 0x20 : code
    if (folded !== word.charCodeAt(index)) return false
  }
  return true
}
