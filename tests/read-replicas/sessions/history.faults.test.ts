import { historyTable, startWorkload, verifyHistory } from '@poolhouse/testkit'
import { describe, expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { pause } from '../readers.js'
import { startReplicaCluster, untilFitting } from '../replica-cluster.js'

describe('sessions while replicas fail', () => {
  scenario(
    'F29, F30, F32, F33, F34: lose nothing, see their own writes and never go back',
    async ({ make }) => {
      await using setting = await startReplicaCluster()
      const { b, c } = setting
      for (const text of historyTable()) await setting.primary.sql(text)
      await setting.primary.sql('grant all on poolhouse_history to public')
      await using routed = setting.connect(make(), { maxStalenessMs: 2_000 })
      const { db, pools } = routed
      await untilFitting(db, ['b', 'c'])
      const sessions = Array.from({ length: 12 }, () => db.session())
      const workload = startWorkload({
        writes: (worker) => sessions[worker]!,
        reads: (worker) => sessions[worker]!.reader(),
        writers: 6,
        readers: 6,
        pauseMs: 10,
        deadlineMs: 10_000,
      })
      await b.setApplyDelay(200)
      await pause(500)
      await b.setApplyDelay(0)
      await b.pauseReplay()
      await pause(500)
      await b.resumeReplay()
      await b.kill()
      await pause(500)
      await b.start()
      await untilFitting(db, ['b', 'c'], 40_000)
      await c.freeze()
      await pause(2_500)
      await c.thaw()
      await untilFitting(db, ['b', 'c'], 40_000)
      const failures = (): string[] =>
        workload.history.operations.flatMap(({ id, outcome }) =>
          outcome?.kind === 'failed' ? [`${id}: ${outcome.code} ${outcome.message}`] : [],
        )
      expect(failures()).toEqual([])
      // A read that is sent twice to nodes that die at once has used up its one retry; all others
      // read from the primary.
      await Promise.all([b.kill(), c.kill()])
      await pause(500)
      await Promise.all([b.start(), c.start()])
      await untilFitting(db, ['b', 'c'], 40_000)
      const history = await workload.stop()
      const report = await verifyHistory(history, {
        db: pools[0]!,
        pools,
        reads: ['read-your-writes', 'monotonic-reads'],
      })
      expect(report.violations).toEqual([])
      expect(report.counts.unsettled).toBe(0)
      expect(failures().length).toBeLessThanOrEqual(12)
    },
    60_000,
  )
})
