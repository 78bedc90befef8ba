/** What is asked of every corner, in the order of the page's columns. */
export const ASPECTS = [
  'driver',
  'pool',
  'cleaning',
  'cancel',
  'copy',
  'listen',
  'parameters',
  'replicas',
  'failover',
] as const

/** One question to a corner. */
export type Aspect = (typeof ASPECTS)[number]

/** The drivers, as the page calls them. */
export const DRIVERS_OF_PAGE = ['pg', 'postgres.js'] as const

/** A driver, as the page calls it. */
export type PageDriver = (typeof DRIVERS_OF_PAGE)[number]

/** What a run found out about one aspect of a corner over one driver. */
export type Finding =
  | Works
  | Limit
  /** Not possible here, and refused by an error that says so. */
  | { readonly is: 'refused'; readonly error: string; readonly instead?: string }
  | { readonly is: 'not run'; readonly reason: string }
  /** A fault: never on the page of a release. */
  | { readonly is: 'fails'; readonly what: string }

/** As on a server without anything in between. */
interface Works {
  readonly is: 'works'
  /** Cases of a conformance suite that passed. */
  readonly passed?: number
  /** What to know all the same. */
  readonly note?: string
}

/** It works, but for what is said. */
interface Limit {
  readonly is: 'limit'
  readonly reason: string
  /** Cases of a conformance suite that passed. */
  readonly passed?: number
  /** Cases that did not, each with the reason. */
  readonly differs?: Readonly<Record<string, string>>
}

/** Everything that runs have found out about a corner. */
export interface CornerResult {
  /** Day of the last run, as 2026-11-30. */
  readonly date: string
  /** What was run: names of programs with their versions. */
  readonly versions: Readonly<Record<string, string>>
  readonly findings: Readonly<
    Partial<Record<PageDriver, Readonly<Partial<Record<Aspect, Finding>>>>>
  >
}

/** Results by the names of the corners. */
export type Results = Readonly<Record<string, CornerResult>>
