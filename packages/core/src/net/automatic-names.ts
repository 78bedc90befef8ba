import type { AutoPrepare } from '../driver.js'

interface Entry {
  uses: number
  name: string
}

// Longer texts are generated ones, which seldom come back.
const LONGEST_TEXT = 16_384

/**
 * Gives names to statements that one session runs again and again. Texts stand in two generations: when the younger is full the older
 * is dropped, and what was used meanwhile has moved to the younger. So a hit is one look-up, and what is dropped is what has not
 * been used for longest.
 */
export class AutomaticNames {
  readonly #rules: AutoPrepare
  readonly #drop: (name: string) => void
  readonly #generation: number
  #young = new Map<string, Entry>()
  #old: Map<string, Entry> | undefined
  #last = 0

  /** `drop` is called for each name that is given up. */
  constructor(rules: AutoPrepare, drop: (name: string) => void) {
    this.#rules = rules
    this.#drop = drop
    this.#generation = Math.max(1, Math.floor(rules.max / 2))
  }

  /** The name to run a text under, or an empty string if it has not been used often enough. */
  nameOf(text: string): string {
    const known = this.#young.get(text)
    if (known !== undefined) return this.#use(known)
    if (text.length > LONGEST_TEXT) return ''
    const entry = this.#old?.get(text) ?? { uses: 0, name: '' }
    this.#old?.delete(text)
    if (this.#young.size >= this.#generation) this.#turn()
    this.#young.set(text, entry)
    return this.#use(entry)
  }

  #use(entry: Entry): string {
    entry.uses++
    if (entry.name === '' && entry.uses >= this.#rules.after)
      entry.name = `poolhouse_${++this.#last}`
    return entry.name
  }

  #turn(): void {
    for (const { name } of this.#old?.values() ?? []) if (name !== '') this.#drop(name)
    this.#old = this.#young
    this.#young = new Map()
  }
}
