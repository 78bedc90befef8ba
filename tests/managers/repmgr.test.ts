import { setTimeout as sleep } from 'node:timers/promises'
import { type RepmgrCluster, startRepmgr } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import {
  describeFailures,
  failuresOf,
  ManagedSetup,
  promotionOf,
  WRITERS,
} from './managed-setup.js'

let setup: ManagedSetup<RepmgrCluster>

beforeAll(async () => {
  setup = new ManagedSetup(await startRepmgr())
}, 240_000)

afterAll(() => setup?.[Symbol.asyncDispose]())

describe.each(DRIVERS)(
  'a real repmgr cluster over $driver',
  ({ make }) => {
    it('S56: a switchover that was announced costs no call', async () => {
      const pool = await setup.connect(make())
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      await pool.switchover(() => setup.cluster.switchover())
      await setup.until(({ topology }) => topology.current.primary?.id !== old.name)
      await sleep(1_000)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(failuresOf(workload)).toEqual([])
      expect(counts.acknowledged).toBeGreaterThan(20)
    })

    it('S59: after the crash of a whole node writes resume, and it comes back as a replica', async () => {
      const pool = await setup.connect(make())
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

    it('a replica that is stopped for maintenance costs no call, nor does a primary that is switched over and then stopped, nor the way back of either', async () => {
      const pool = await setup.connect(make())
      const workload = setup.writeAndRead()
      await sleep(500)
      const leader = await setup.cluster.leader()
      const replica = setup.cluster.nodes.find((one) => one !== leader)!
      const stateOf = (name: string) =>
        pool.topology.current.nodes.find(({ id }) => id === name)!.state
      await setup.cluster.startMaintenance(replica.name)
      await setup.until(() => stateOf(replica.name) === 'unreachable')
      await sleep(500)
      await setup.cluster.stopMaintenance(replica.name)
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
      await pool.switchover(() => setup.cluster.startMaintenance(leader.name))
      await setup.until(() => stateOf(leader.name) === 'unreachable')
      expect(pool.topology.current.primary?.id).not.toBe(leader.name)
      await sleep(500)
      await setup.cluster.stopMaintenance(leader.name)
      await setup.until(({ topology }) => topology.current.replicas.length === 2)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(failuresOf(workload)).toEqual([])
      expect(counts.unsettled).toBe(0)
    })

    it('S60: a frozen primary that repmgr has replaced wakes up writable, and is sent nothing', async () => {
      const pool = await setup.connect(make())
      const workload = setup.writeAndRead()
      await sleep(1_000)
      const old = await setup.cluster.leader()
      const node = () => pool.topology.current.nodes.find(({ id }) => id === old.name)!
      old.freeze()
      const promoted = await promotionOf(setup.cluster, old)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      // A standby that still asks the old primary for its log when that wakes up can take more of
      // it than the new one has; then it cannot follow, and `repmgrd` ends there.
      const following = `select from pg_stat_replication where state = 'streaming'`
      await vi.waitUntil(async () => (await promoted.sql(following)).length > 0, 60_000)
      const before = node().pool.stats().counters.acquired
      await old.thaw()
      await setup.until(() => node().state === 'fenced')
      await sleep(2_000)
      expect(await old.isPrimary()).toBe(true)
      expect(node().state).toBe('fenced')
      expect(node().pool.stats().counters.acquired).toBe(before)
      // Nothing stops it by itself; an operator does, and has it rewound.
      await old.crash()
      await old.start()
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.notExecuted + counts.unknown, describeFailures(workload)).toBeLessThanOrEqual(
        2 * WRITERS,
      )
    })
  },
  240_000,
)
