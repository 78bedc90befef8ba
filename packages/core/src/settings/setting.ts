/** What is done with a setting that libpq, a vendor or another driver knows. */
type Treatment = 'honoured' | 'ignored' | 'refused'

/**
 * One row of the table of settings: what is done with a parameter of a URL and the variable of the
 * environment that says the same.
 */
export interface Setting {
  /**
   * The parameter of a URL and the keyword of a connection string; undefined for what only the
   * environment can say.
   */
  readonly name?: string
  /** The `PG*` variable of libpq, if there is one. */
  readonly variable?: string
  /**
   * What is done with it. Nothing is dropped in silence: `ignored` means that leaving it out does
   * no harm.
   */
  readonly treatment: Treatment
  /**
   * The option that it sets (`honoured`), why leaving it out is harmless (`ignored`), or what to
   * use (`refused`).
   */
  readonly how: string
  /** The only values that are treated so. Any other is refused. Undefined if every value is. */
  readonly values?: readonly string[]
  /** What to use in place of the other values. */
  readonly otherwise?: string
  /** Whether its value is a secret, so that what stands beside it in a URL may be a part of one. */
  readonly secret?: true
}

/** Settings that one program knows: libpq, a vendor, or another driver. */
export interface SettingGroup {
  /** The program, as a heading. */
  readonly title: string
  /** Its settings. */
  readonly settings: readonly Setting[]
}

/** A setting that sets an option. */
export function honoured(name: string, how: string, more: Partial<Setting> = {}): Setting {
  return { name, treatment: 'honoured', how, ...more }
}

/** A setting that is left out, because that does no harm. */
export function ignored(name: string, how: string, more: Partial<Setting> = {}): Setting {
  return { name, treatment: 'ignored', how, ...more }
}

/** A setting that is an error, with what to use. */
export function refused(name: string, how: string, more: Partial<Setting> = {}): Setting {
  return { name, treatment: 'refused', how, ...more }
}
