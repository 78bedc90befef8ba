import { setTimeout as sleep } from 'node:timers/promises'
import { pgAutoFailover } from '@poolhouse/failover'
import { type PgAutoFailoverCluster, startPgAutoFailover } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import {
  describeFailures,
  failuresOf,
  ManagedSetup,
  promotionOf,
  WRITERS,
} from './managed-setup.js'

let setup: ManagedSetup<PgAutoFailoverCluster>

beforeAll(async () => {
  setup = new ManagedSetup(await startPgAutoFailover())
}, 240_000)

afterAll(() => setup?.[Symbol.asyncDispose]())

describe.each(DRIVERS)(
  'a real pg_auto_failover formation over $driver',
  ({ make }) => {
    const connect = () =>
      setup.connect(make(), { discover: pgAutoFailover({ monitor: setup.cluster.monitor }) })

    it('S56: a switchover that was announced costs no call, nor does its way back', async () => {
      const pool = await connect()
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      await pool.switchover(() => setup.cluster.switchover())
      await setup.until(({ topology }) => topology.current.primary?.id !== old.name)
      await setup.cluster.healthy()
      await pool.switchover(() => setup.cluster.switchover(old.name))
      await sleep(1_000)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(failuresOf(workload)).toEqual([])
      expect(counts.acknowledged).toBeGreaterThan(200)
    })

    it('S57: a switchover without notice costs at most the calls in flight', async () => {
      await connect()
      const workload = setup.writeAndRead()
      await sleep(1_000)
      await setup.cluster.switchover()
      await sleep(1_500)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown, describeFailures(workload)).toBeLessThanOrEqual(
        WRITERS,
      )
      expect(counts.unsettled).toBe(0)
    })

    it('S58: a killed postmaster costs at most the calls in flight', async () => {
      await connect()
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      await old.killPostmaster()
      await sleep(4_000)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown, describeFailures(workload)).toBeLessThanOrEqual(
        WRITERS,
      )
    })

    it('S59: after the crash of a whole node writes resume, and it comes back as a replica', async () => {
      const pool = await connect()
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      await old.crash()
      const promoted = await promotionOf(setup.cluster, old)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      await sleep(500)
      await old.start()
      await setup.cluster.healthy()
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
      const states = pool.topology.current.nodes.map(({ id, state }) => [id, state])
      expect(Object.fromEntries(states)[old.name]).toBe('replica')
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown, describeFailures(workload)).toBeLessThanOrEqual(
        WRITERS,
      )
    })

    it('S60, T77: a frozen primary is given up with one reason, and after it wakes up nothing is sent to it until it is a replica', async () => {
      const pool = await connect()
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      const node = () => pool.topology.current.nodes.find(({ id }) => id === old.name)!
      const reasons = new Set<string>()
      pool.topology.subscribe(() => {
        if (node().state === 'unreachable') reasons.add(node().reason)
      })
      old.freeze()
      const promoted = await promotionOf(setup.cluster, old)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      expect([...reasons]).toEqual([expect.stringContaining('no answer to a probe')])
      const lent = () => node().pool.stats().counters.acquired
      const before = lent()
      const lentSince = new Set<number>()
      pool.topology.subscribe(() => {
        if (node().state !== 'replica') lentSince.add(lent())
      })
      await old.thaw()
      await setup.until(() => node().state === 'replica')
      expect([...lentSince]).toEqual([before])
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown, describeFailures(workload)).toBeLessThanOrEqual(
        2 * WRITERS,
      )
    })

    it('a replica in maintenance gets no reads, and a primary that goes there is replaced without a lost call', async () => {
      const pool = await connect()
      const workload = setup.writeAndRead()
      await sleep(500)
      const leader = await setup.cluster.leader()
      const replica = setup.cluster.nodes.find((one) => one !== leader)!
      await setup.cluster.startMaintenance(replica.name)
      await setup.until(({ topology }) =>
        topology.current.nodes.some(
          ({ id, state, reason }) =>
            id === replica.name && state === 'draining' && reason.includes('in maintenance'),
        ),
      )
      await setup.cluster.stopMaintenance(replica.name)
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
      await setup.cluster.healthy()
      await pool.switchover(() => setup.cluster.startMaintenance(leader.name))
      await setup.until(({ topology }) => topology.current.primary?.id !== leader.name)
      await setup.cluster.stopMaintenance(leader.name)
      const { violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(failuresOf(workload)).toEqual([])
    })

    it('without the monitor everything goes on, and the pool says that it is not told of new nodes', async () => {
      const pool = await connect()
      const errors: string[] = []
      pool.on('error', ({ error }) => errors.push(String(error)))
      const workload = setup.writeAndRead()
      await sleep(500)
      setup.cluster.freezeMonitor()
      await expect.poll(() => errors.length, { timeout: 15_000 }).toBeGreaterThan(0)
      expect(errors[0]).toMatch(/pgAutoFailover\(.*\) failed, and the nodes stay as they are/)
      await setup.cluster.thawMonitor()
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts).toMatchObject({ notExecuted: 0, unknown: 0, unsettled: 0 })
    })
  },
  180_000,
)
