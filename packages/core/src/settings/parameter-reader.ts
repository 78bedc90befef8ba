import { whyNotEncodable } from '../base/encodable.js'
import { refusalOf, settingNamed } from './settings-table.js'

/** Where parameters stand, for what is said about them. */
export interface ParameterSource {
  /** How a parameter is called there: its name in a URL, its variable in the environment. */
  said(name: string): string
  /** Throws with what is wrong, which never holds a value. */
  fail(what: string): never
}

/**
 * Parameters by name, each as the table of settings has it: those that are refused are an error,
 * those that are ignored are not there.
 */
export class ParameterReader {
  readonly #values = new Map<string, string>()
  readonly #source: ParameterSource

  /** Takes known names alone; a value that the table refuses is an error. */
  constructor(given: ReadonlyMap<string, string>, source: ParameterSource) {
    this.#source = source
    for (const [name, value] of given) {
      const said = source.said(name)
      // What followed a NUL would be read as another field of the start-up message, such as the
      // user.
      const why = whyNotEncodable(value)
      if (why !== undefined) source.fail(`${said} ${why}`)
      const setting = settingNamed(name)!
      const refusal = refusalOf(setting, said, value)
      if (refusal !== undefined) source.fail(refusal)
      if (setting.treatment === 'honoured') this.#values.set(name, value)
    }
  }

  /** The value of a parameter. */
  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  /**
   * The one of several parameters that say the same which is given, with its name. Fails for two of
   * them.
   */
  oneOf(...names: readonly string[]): readonly [name: string, value: string] | undefined {
    const given = names.filter((name) => this.#values.has(name))
    const [first, second] = given
    if (second !== undefined) {
      this.fail(`${this.said(first!)} and ${this.said(second)} say the same; keep one`)
    }
    return first === undefined ? undefined : [first, this.#values.get(first)!]
  }

  /** How a parameter is called. */
  said(name: string): string {
    return this.#source.said(name)
  }

  /** Throws with what is wrong. */
  fail(what: string): never {
    return this.#source.fail(what)
  }

  /** A whole number that is at least `min`. */
  integer(name: string, value: string, min: number, max: number): number {
    const number = /^\s*-?\d{1,10}\s*$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    return this.fail(`${this.said(name)} must be a whole number from ${min} to ${max}`)
  }

  /** A word for yes or no. */
  flag(name: string): boolean | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : value === 'true' || value === '1'
  }
}
