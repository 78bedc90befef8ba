import { describe, expect, it } from 'vitest'
import { describePool } from '../../src/conformance/describe-pool.js'
import { driverCases } from '../../src/conformance/driver/driver-cases.js'
import { poolCases } from '../../src/conformance/pool/pool-cases.js'
import {
  type ConformanceArea,
  type ConformanceCase,
  schedule,
} from '../../src/conformance/run/conformance-case.js'
import { assertHas, failureOf } from '../../src/conformance/run/expectations.js'
import { type CaseContext, runCase, runScheduled } from '../../src/conformance/run/run-case.js'
import { until, within } from '../../src/conformance/run/waiting.js'

const passing: ConformanceCase<unknown> = { title: 'passes', run: async () => {} }
const seeded: ConformanceCase<unknown> = { title: 'draws', seeded: true, run: async () => {} }
const areas: ConformanceArea<unknown>[] = [
  { area: 'one', cases: [passing] },
  { area: 'two', cases: [seeded] },
]

const failing = async (): Promise<void> => {
  throw new Error('it does not hold')
}

function contextThat(end: () => Promise<void>): () => Promise<CaseContext> {
  return async () => ({ end })
}

describe('schedule', () => {
  it('plans every case once, and those that draw random numbers once for each seed', () => {
    const plan = schedule(areas, { seeds: [7, 8] })
    expect(plan.map(({ area, title, seed }) => [area, title, seed])).toEqual([
      ['one', 'passes', 1],
      ['two', 'draws (seed 7)', 7],
      ['two', 'draws (seed 8)', 8],
    ])
  })

  it('plans chosen areas only, and notes what is documented to fail', () => {
    const plan = schedule(areas, { areas: ['one'], skip: { passes: 'by design' } })
    expect(plan).toMatchObject([{ title: 'passes', differs: 'by design' }])
  })

  it('leaves out what needs something that is not offered, and asks for its refusal instead', () => {
    const run = async (): Promise<void> => {}
    const cases: ConformanceCase<unknown>[] = [
      { title: 'plain', run },
      { title: 'needs it', needs: ['it', 'more'], run },
      { title: 'checks that it is refused', lacks: 'it', run },
    ]
    const titles = (without?: readonly string[]): string[] =>
      schedule([{ area: 'one', cases }], { without }).map(({ title }) => title)
    expect(titles()).toEqual(['plain', 'needs it'])
    expect(titles(['it'])).toEqual(['plain', 'checks that it is refused'])
    expect(titles(['more'])).toEqual(['plain'])
  })

  it('leaves out every case of an area that needs something that is not offered', () => {
    const whole = [{ ...areas[0]!, needs: ['it'] }, areas[1]!]
    expect(schedule(whole, { without: ['it'] }).map(({ area }) => area)).toEqual(['two'])
    expect(schedule(whole, {}).map(({ area }) => area)).toEqual(['one', 'two'])
  })

  it('plans every case in one of so many shares', () => {
    const cases = Array.from({ length: 10 }, (_, n) => ({ ...passing, title: `case ${n}` }))
    const shares = [3, 4, 5].map((number) =>
      schedule([{ area: 'one', cases }], { share: { of: 3, number } }).map(({ title }) => title),
    )
    expect(shares[0]).toEqual(['case 0', 'case 3', 'case 6', 'case 9'])
    expect(new Set(shares.flat()).size).toBe(10)
  })

  it('refuses areas and titles that do not exist', () => {
    expect(() => schedule(areas, { areas: ['three'] })).toThrow('there is no "three"')
    expect(() => schedule(areas, { skip: { passses: '?' } })).toThrow('there is no case "passses"')
  })

  it('finds no title twice in the suites', () => {
    for (const suite of [driverCases(), poolCases()]) {
      const titles = suite.flatMap(({ cases }) => cases.map(({ title }) => title))
      expect(new Set(titles).size).toBe(titles.length)
    }
  })
})

describe('a case that is documented to fail', () => {
  const [plan] = schedule(areas, { skip: { passes: 'by design' } })

  it('passes the run when it fails', async () => {
    await runScheduled(plan!, failing)
  })

  it('fails the run when it passes, and says what to do', async () => {
    await expect(runScheduled(plan!, async () => {})).rejects.toThrow('take it out of skip')
  })
})

describe('describePool', () => {
  it.each([0, -1, 1.5, Number.NaN])('refuses the effort %d', (effort) => {
    const none = () => expect.fail('it is not to be made')
    expect(() => describePool('lazy', none, { effort })).toThrow(RangeError)
  })
})

describe('runCase', () => {
  const ended = contextThat(async () => {})

  it('rejects with the error of the case', async () => {
    await expect(runCase({ title: 'fails', run: failing }, ended, 1_000)).rejects.toThrow(
      'it does not hold',
    )
  })

  it('ends the context of a case that failed, and reports both errors', async () => {
    const leaking = contextThat(async () => {
      throw new Error('a socket was left open')
    })
    const error = await failureOf<AggregateError>(
      runCase({ title: 'fails', run: failing }, leaking, 1_000),
    )
    expect(error.errors.map(({ message }: Error) => message)).toEqual([
      'it does not hold',
      'a socket was left open',
    ])
  })

  it('rejects when the case does not end', async () => {
    const endless = { title: 'hangs', run: () => new Promise<never>(() => {}) }
    await expect(runCase(endless, ended, 5)).rejects.toThrow('the case took longer than 5 ms')
  })

  it('has a case wait as much shorter as its patience is, and no longer itself', async () => {
    const waiting = { title: 'waits', run: () => until(() => false, 'nothing', 1_000) }
    await expect(runCase(waiting, ended, 1_000, 0.01)).rejects.toThrow(
      'waited 10 ms in vain for nothing',
    )
    const never = { title: 'hangs', run: () => within(new Promise<never>(() => {}), 900, 'it') }
    await expect(runCase(never, ended, 1_000, 0.01)).rejects.toThrow('it took longer than 9 ms')
  })

  it('rejects for what was not caught, and gives the listeners of the process back', async () => {
    const before = process.listeners('unhandledRejection')
    const careless = {
      title: 'forgets a promise',
      async run() {
        void Promise.reject(new Error('forgotten'))
      },
    }
    await expect(runCase(careless, ended, 1_000)).rejects.toThrow('forgotten')
    expect(process.listeners('unhandledRejection')).toEqual(before)
  })
})

describe('assertHas', () => {
  const error = Object.assign(new Error('no stock'), { code: 'P1', cause: { code: 'P2' } })

  it('looks at the named properties only, in depth, with patterns for texts', () => {
    assertHas(error, { code: 'P1', message: /stock/, cause: { code: 'P2' } })
  })

  it('names every property that differs', () => {
    expect(() => assertHas(error, { code: 'P9', message: /shop/, cause: { code: 'P9' } })).toThrow(
      /code is 'P1', not 'P9'; message is 'no stock', not like \/shop\/; cause\.code is 'P2', not 'P9'/,
    )
  })
})
