import { createPool } from '@poolhouse/core'
import {
  type ConformanceArea,
  type ConformanceCase,
  driverCases,
  type PoolFeature,
  poolCases,
  runDriverCase,
  runPoolCase,
} from '@poolhouse/testkit/conformance'
import { shown } from './checks.js'
import type { Finding } from './finding.js'
import type { Ground } from './ground.js'
import type { MakeDriver } from './servers.js'

/** Why a corner is known to differ in some cases: those that match all that is given. */
export interface KnownDifference {
  readonly suite?: 'driver' | 'pool'
  /** Area, or title, of the cases. */
  readonly cases?: RegExp
  /** Message of the failure. */
  readonly error?: RegExp
  readonly reason: string
}

/** What chance decides has all its tries elsewhere. */
const EFFORT = 0.1
/** How long a case may take that is to pass, on a busy machine, and one that is known to differ. */
const LONGEST = { passing: 60_000, differing: 4_000 }
const PATIENCE = { passing: 3, differing: 0.25 }

/** What a pool to one server does not have. */
const WITHOUT: readonly PoolFeature[] = ['replica', 'classify']

/** Runs every case of a suite; those that fail must be known to differ. */
export async function conformance(
  suite: 'driver' | 'pool',
  { server, options }: Ground,
  make: MakeDriver,
  known: readonly KnownDifference[],
  tell: (line: string) => void,
): Promise<Finding> {
  const ofSuite = known.filter((each) => (each.suite ?? suite) === suite)
  const differs: Record<string, string> = {}
  const wrong: string[] = []
  let passed = 0
  const behindPooler = await treatsAsPooler(options, server, make)
  const seedless = { server, seed: 1, latencyMs: 0, effort: EFFORT }
  for (const { area, title, test } of casesOf(suite)) {
    const ofCase = ofSuite.filter(({ cases = /./ }) => cases.test(area) || cases.test(title))
    const isKnown = ofCase.some(({ error }) => error === undefined)
    const kind = isKnown ? 'differing' : 'passing'
    const timed = { ...test, timeoutMs: LONGEST[kind] }
    const parts = { ...seedless, patience: PATIENCE[kind] }
    try {
      if (suite === 'driver') await runDriverCase(timed, { ...parts, driver: make() })
      else {
        const driver = make()
        await runPoolCase(timed, {
          ...parts,
          without: WITHOUT,
          makePool: (own) => createPool({ driver, ...own, ...options }),
        })
      }
      passed++
    } catch (error) {
      const { message } = error as Error
      const found = ofCase.find((each) => each.error === undefined || each.error.test(message))
      if (found !== undefined) differs[title] = found.reason
      else if (behindPooler && /POOLHOUSE_SESSION_STATE/.test(message)) differs[title] = REFUSED
      else {
        wrong.push(`${area}: ${title}: ${shown(error as Error)}`)
        tell(`✗ ${area}: ${title}\n    ${message.replaceAll('\n', '\n    ')}`)
      }
    }
  }
  if (wrong.length > 0) {
    return { is: 'fails', what: `${wrong.length} cases, the first: ${wrong[0]}` }
  }
  const count = Object.keys(differs).length
  if (count === 0) return { is: 'works', passed }
  return { is: 'limit', reason: `${count} cases differ, see below`, passed, differs }
}

const REFUSED =
  'needs a server session of its own, and is refused with `SessionStateError` (POOLHOUSE_SESSION_STATE)'

/** Whether pools of the corner work as behind a pooler, declared or noticed. */
async function treatsAsPooler(
  options: Ground['options'],
  { host, port, user, password, database }: Ground['server'],
  make: MakeDriver,
): Promise<boolean> {
  const connection = { host, port, user, password, database, ssl: false as const }
  await using pool = createPool({ driver: make(), connection, max: 1, ...options })
  await pool.query('select 1')
  return pool.pooler !== undefined
}

interface Planned {
  readonly area: string
  readonly title: string
  // biome-ignore lint/suspicious/noExplicitAny: the cases of two suites, each given to its own runner.
  readonly test: ConformanceCase<any>
}

function casesOf(suite: 'driver' | 'pool'): readonly Planned[] {
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const areas: readonly ConformanceArea<any>[] = suite === 'driver' ? driverCases() : poolCases()
  const lacks = (needs: readonly string[] = []): boolean =>
    suite === 'pool' && needs.some((need) => WITHOUT.includes(need as PoolFeature))
  return areas
    .filter(({ needs }) => !lacks(needs))
    .flatMap(({ area, cases }) =>
      cases
        .filter((test) => !lacks(test.needs))
        .filter((test) => test.lacks === undefined || lacks([test.lacks]))
        .map((test) => ({ area, title: test.title, test })),
    )
}
