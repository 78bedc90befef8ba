import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bareCommit, promotionOf, WRITERS } from '../managers/managed-setup.js'
import { DRIVERS } from '../support/drivers.js'
import { PatroniSetup } from './patroni-setup.js'

let setup: PatroniSetup

beforeAll(async () => {
  setup = await PatroniSetup.start()
}, 180_000)

afterAll(() => setup[Symbol.asyncDispose]())

describe.each(DRIVERS)(
  'a real Patroni cluster over $driver',
  ({ make }) => {
    it('S56: a switchover that was announced costs no call: 0 errors, 0 lost, 0 twice', async () => {
      const pool = await setup.connect(make())
      const workload = setup.write()
      await sleep(1_500)
      const outage = { from: 0, to: 0 }
      await pool.switchover(async () => {
        outage.from = performance.now()
        await setup.patroni.switchover()
        outage.to = performance.now()
      })
      await sleep(1_500)
      const { counts, violations, longestWriteGapMs } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
      expect(counts.acknowledged).toBeGreaterThan(200)
      expect(longestWriteGapMs).toBeLessThan(outage.to - outage.from + 1_000)
    })

    it('S56: a switchover without notice costs at most the calls in flight, and tells the truth of each', async () => {
      await setup.connect(make())
      const workload = setup.write()
      await sleep(1_000)
      await setup.patroni.switchover()
      await sleep(1_500)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      // A transaction that loses its connection in the middle is rolled back, and not begun again
      // unless its caller has declared that.
      const failed = workload.history.operations
        .map(({ outcome }) => outcome)
        .filter((outcome) => outcome?.kind === 'failed')
      expect(failed.filter(({ executed }) => executed === 'no')).toEqual([])
      expect(counts.notExecuted + counts.unknown).toBe(failed.length)
      expect(failed.length).toBeLessThanOrEqual(WRITERS)
    })

    it('S58: after kill -9 of the postmaster writes resume within 500 ms of the promotion', async () => {
      await setup.connect(make())
      const workload = setup.write()
      await sleep(1_000)
      const old = await setup.patroni.leader()
      await old.killPostmaster()
      const promoted = await promotionOf(setup.patroni, old)
      const promotedAt = performance.now()
      const bareMs = bareCommit(promoted)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      await setup.until(() =>
        workload.history.operations.some(
          ({ outcome, settledAt }) => outcome?.kind === 'acknowledged' && settledAt! > promotedAt,
        ),
      )
      const resumedMs = performance.now() - promotedAt
      expect(resumedMs).toBeLessThan(500 + (await bareMs))
      await sleep(1_000)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.unknown).toBeLessThanOrEqual(8)
    })
  },
  120_000,
)
