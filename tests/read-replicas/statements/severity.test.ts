import type { ClusterNode } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { type ReplicaCluster, startReplicaCluster, untilFitting } from '../replica-cluster.js'

let replicas: ReplicaCluster

beforeAll(async () => {
  replicas = await startReplicaCluster()
  await replicas.primary.sql(`create function raises(code text) returns int language plpgsql as $$
    begin raise exception 'raised' using errcode = code; end $$`)
  await Promise.all([replicas.b, replicas.c].map(untilThere))
}, 120_000)
afterAll(() => replicas?.[Symbol.asyncDispose]())

const RAISED = [
  ...['08001', '08003', '08006', '08P01', '25006', '28P01', '3D000', '40003', '53300', '57P01'],
  ...['57P02', '57P03', '57P05', 'XX000'],
]

describe.each(DRIVERS)('over $driver', ({ make }) => {
  it('T04: a read whose function raises any code is its answer, asked once, and no replica is shut out', async () => {
    await using routed = replicas.connect(make())
    const { db, pools } = routed
    const shut: unknown[] = []
    db.on('ejected', (event) => shut.push(event))
    await untilFitting(db, ['b', 'c'])
    const acquired = (): number =>
      pools.reduce((sum, pool) => sum + pool.stats().counters.acquired, 0)
    const answers = [
      (text: string) => db.reader().query(text),
      (text: string) => db.query(text, [], { intent: 'read' }),
      (text: string) => db.transaction((tx) => tx.query(text), { readOnly: true }),
      (text: string) =>
        db.transaction((tx) => tx.query(text), { readOnly: true, retry: { attempts: 3 } }),
    ]
    for (const code of RAISED) {
      for (const answer of answers) {
        const before = acquired()
        const error = await answer(`select raises('${code}')`).catch((reason: unknown) => reason)
        expect(acquired() - before, code).toBe(1)
        expect(error, code).toMatchObject({ name: 'DatabaseError', code, executed: 'rolled-back' })
      }
    }
    expect(shut).toEqual([])
    for (const pool of pools) expect(pool.stats().counters.destroyed).toBe(0)
  })
})

/** Resolves when the function has come to this node. */
async function untilThere(node: ClusterNode): Promise<void> {
  for (;;) {
    const [row] = await node.sql<{ there: boolean }>(
      "select to_regprocedure('raises(text)') is not null as there",
    )
    if (row!.there) return
  }
}
