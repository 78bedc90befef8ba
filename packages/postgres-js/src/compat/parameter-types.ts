// So that a changed table is noticed without a restart.
const MAX_AGE_MS = 60_000
const GENERATION_SIZE = 500

interface Known {
  readonly types: readonly number[]
  readonly until: number
}

/**
 * The types that the server gave to the parameters of statements, by their declared types and text.
 * postgres.js remembers them for each connection; here once for all, and for a minute.
 */
export class ParameterTypes {
  // Two generations instead of a list by age: the older half is dropped when the newer is full.
  #young = new Map<string, Known>()
  #old = new Map<string, Known>()

  /** The types of a statement; undefined if they must be asked for. */
  find(text: string, declared: readonly number[], now: number): readonly number[] | undefined {
    const key = keyOf(text, declared)
    const known = this.#young.get(key) ?? this.#old.get(key)
    return known !== undefined && now < known.until ? known.types : undefined
  }

  /** Keeps what the server said. */
  keep(text: string, declared: readonly number[], types: readonly number[], now: number): void {
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(keyOf(text, declared), { types, until: now + MAX_AGE_MS })
  }

  /** Forgets a statement that has failed: its table may be another one now. */
  forget(text: string, declared: readonly number[]): void {
    const key = keyOf(text, declared)
    this.#young.delete(key)
    this.#old.delete(key)
  }
}

function keyOf(text: string, declared: readonly number[]): string {
  return `${declared.join()} ${text}`
}
