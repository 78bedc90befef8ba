/** One thing that a driver or a pool must do, as a sentence and as a check of it. */
export interface ConformanceCase<Context> {
  /** A sentence of the specification, behind the number of its scenario where it has one. */
  readonly title: string
  /** Whether it draws random numbers: it is then run once for each seed. */
  readonly seeded?: boolean
  /** What the subject must offer for it. One that is declared not to offer it is not asked. */
  readonly needs?: readonly string[]
  /** What the subject must be declared not to offer: the case checks that it says so. */
  readonly lacks?: string
  /** Longest time for it on a line without delay, in milliseconds. Default 15 000. */
  readonly timeoutMs?: number
  /** Rejects if it does not hold. */
  run(context: Context): Promise<void>
}

/** Cases that belong together. */
export interface ConformanceArea<Context> {
  /** What they are about. */
  readonly area: string
  /** What the subject must offer for each of them. */
  readonly needs?: readonly string[]
  /** In the order in which they are run. */
  readonly cases: readonly ConformanceCase<Context>[]
}

/** A case that is run because of one seed. */
export interface ScheduledCase<Context> {
  /** What it is about. */
  readonly area: string
  /** The title of the case, with the seed if it uses one. */
  readonly title: string
  /** The case. */
  readonly test: ConformanceCase<Context>
  /** For its random numbers. */
  readonly seed: number
  /** Why the subject is known to fail it; undefined if it is to pass. */
  readonly differs: string | undefined
}

/** What is to be run, and what is known to fail. */
export interface Selection {
  /** Areas to run. Default: all. */
  readonly areas?: readonly string[] | undefined
  /**
   * What the subject does not offer. Cases that need it are left out, and those that check its
   * refusal are run. Default: it offers everything.
   */
  readonly without?: readonly string[] | undefined
  /**
   * Runs one case in so many, beginning with the one of this number, for a suite that runs over
   * many subjects. Default: all.
   */
  readonly share?:
    | {
        /** One case in so many. A whole number of at least 1. */
        readonly of: number
        /** Which of them: the first case to run, counted from 0 and taken modulo `of`. */
        readonly number: number
      }
    | undefined
  /** Seeds of the cases that use one. Default `[1]`. */
  readonly seeds?: readonly number[] | undefined
  /**
   * Titles of cases that the subject is documented to fail, each with the reason. That they do fail
   * is checked.
   */
  readonly skip?: Readonly<Record<string, string>> | undefined
}

const WHOLE = { of: 1, number: 0 }

/**
 * Plans a run. Throws `TypeError` for an area or a title that does not exist: it would hide that
 * nothing is checked.
 */
export function schedule<Context>(
  all: readonly ConformanceArea<Context>[],
  { areas, without = [], share = WHOLE, seeds = [1], skip = {} }: Selection,
): ScheduledCase<Context>[] {
  const names = all.map(({ area }) => area)
  for (const area of areas ?? []) {
    if (!names.includes(area)) {
      throw new TypeError(`areas: there is no "${area}"; there are ${names.join(', ')}`)
    }
  }
  const titles = new Set(all.flatMap(({ cases }) => cases.map(({ title }) => title)))
  for (const title of Object.keys(skip)) {
    if (!titles.has(title)) throw new TypeError(`skip: there is no case "${title}"`)
  }
  const isMissing = (need: string): boolean => without.includes(need)
  /** Whether a subject that lacks this is asked. */
  const isFor = ({ needs = [], lacks }: ConformanceCase<Context>): boolean =>
    !needs.some(isMissing) && (lacks === undefined || isMissing(lacks))
  return all
    .filter(({ area }) => areas === undefined || areas.includes(area))
    .flatMap(({ area, needs = [], cases }) =>
      cases
        .filter((test) => !needs.some(isMissing) && isFor(test))
        .flatMap((test) =>
          (test.seeded === true ? seeds : [1]).map((seed) => ({
            area,
            title: test.seeded === true ? `${test.title} (seed ${seed})` : test.title,
            test,
            seed,
            differs: Object.hasOwn(skip, test.title) ? skip[test.title] : undefined,
          })),
        ),
    )
    .filter((_, index) => index % share.of === share.number % share.of)
}
