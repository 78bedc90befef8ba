import { setTimeout as sleep } from 'node:timers/promises'
import { NoPrimaryError } from '@poolhouse/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bareCommit, promotionOf } from '../managers/managed-setup.js'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { ROUNDS_AND_DRIVERS } from '../support/rounds.js'
import { PatroniSetup } from './patroni-setup.js'

/** Longer than a leader may go without etcd. */
const DCS_FROZEN_MS = 22_000

let setup: PatroniSetup

beforeAll(async () => {
  setup = await PatroniSetup.start()
}, 180_000)

afterAll(() => setup[Symbol.asyncDispose]())

describe.each(ROUNDS_AND_DRIVERS)(
  'a real Patroni cluster over $driver, round $round',
  ({ make }) => {
    it('S59: after the crash of a whole node writes resume, and nothing of the dead node is left in the pool', async () => {
      const pool = await setup.connect(make())
      const workload = setup.write()
      await sleep(1_000)
      const old = await setup.patroni.leader()
      await old.crash()
      const promoted = await promotionOf(setup.patroni, old)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      const dead = pool.topology.current.nodes.find(({ id }) => id === old.name)!
      expect(dead.state).toBe('unreachable')
      expect(dead.pool.stats()).toMatchObject({ total: 0, leased: 0 })
      await sleep(1_000)
      await old.start()
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(8)
    })

    it('S60: a frozen leader is given up, and after it wakes up no statement is sent to it', async () => {
      const pool = await setup.connect(make())
      const workload = setup.write()
      await sleep(1_000)
      const old = await setup.patroni.leader()
      old.freeze()
      using watch = new Stopwatch()
      await setup.until(({ topology }) => topology.current.primary?.id !== old.name)
      expect(watch.elapsedMs).toBeLessThan(3_500)
      const promoted = await promotionOf(setup.patroni, old)
      await setup.until(({ topology }) => topology.current.primary?.id === promoted.name)
      const created = pool.topology.current.nodes.find(({ id }) => id === old.name)!.pool.stats()
        .counters.acquired
      await old.thaw()
      await sleep(3_000)
      const after = pool.topology.current.nodes.find(({ id }) => id === old.name)!
      expect(after.pool.stats().counters.acquired).toBe(created)
      const { counts, violations } = await setup.verify(workload)
      expect(violations).toEqual([])
      expect(counts.unknown + counts.notExecuted).toBeLessThanOrEqual(16)
    })

    it('S61: without etcd there is no primary: reads go on, writes wait and then say so, and it recovers by itself', async () => {
      const pool = await setup.connect(make(), { failover: { hold: { timeoutMs: 3_000 } } })
      const reads = setup.patroni.nodes.length
      const workload = setup.write(10_000)
      await sleep(1_000)
      setup.patroni.freezeDcs()
      const frozenAt = performance.now()
      const refused = await new Promise<unknown>((resolve) => {
        const ask = async (): Promise<void> => {
          for (;;) {
            const error = await pool.query('select pg_current_xact_id()').catch((caught) => caught)
            if (error instanceof Error) {
              resolve(error)
              return
            }
            await sleep(100)
          }
        }
        void ask()
      })
      expect(refused).toBeInstanceOf(NoPrimaryError)
      const replicas = pool.topology.current.nodes.filter(({ state }) => state === 'replica')
      expect(replicas.length).toBeGreaterThanOrEqual(reads - 1)
      for (const { pool: node } of replicas) {
        expect((await node.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      }
      await sleep(Math.max(0, frozenAt + DCS_FROZEN_MS - performance.now()))
      setup.patroni.thawDcs()
      const elected = await setup.patroni.leader(60_000)
      const electedAt = performance.now()
      const bareMs = bareCommit(elected)
      await pool.query('select pg_current_xact_id()')
      const servedMs = performance.now() - electedAt
      expect(servedMs).toBeLessThan(1_000 + (await bareMs))
      const { violations } = await setup.verify(workload)
      expect(violations).toEqual([])
    })
  },
  240_000,
)
