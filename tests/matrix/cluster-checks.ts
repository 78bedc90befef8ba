import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { withReplicas } from '@poolhouse/read-replicas'
import { historyTable, startWorkload, verifyHistory } from '@poolhouse/testkit'
import { type Check, errorOf, poolOf, shown, until } from './checks.js'
import type { Finding } from './finding.js'

const WORKS: Finding = { is: 'works' }

/** Longest time from the death of a primary to the next write. */
const OUTAGE_MS = 60_000

/**
 * A bounded read goes to the replica, whose lag is known, and a session never misses its own
 * writes.
 */
export const replicas: Check = async (ground, make) => {
  const { server, options, replicaUrl } = ground
  await server.sql('drop table if exists routed; create table routed (n int)')
  await server.sql(`grant all on routed to ${server.user}`)
  const primary = poolOf(ground, make, { name: 'primary' })
  const replica = createPool({
    driver: make(),
    connection: replicaUrl!,
    name: 'replica',
    ...options,
  })
  await using db = withReplicas(primary, [replica], { maxStalenessMs: 10_000 })
  await db.ready({ timeoutMs: 20_000 })
  const where = async (maxStalenessMs: number): Promise<boolean> => {
    const { rows } = await db.query<{ standby: boolean }>(
      'select pg_is_in_recovery() as standby',
      [],
      { intent: 'read', maxStalenessMs },
    )
    return rows[0]!.standby
  }
  if (ground.noTransactions === true) {
    const refused = await errorOf(where(5_000))
    if (refused !== undefined) return { is: 'refused', error: shown(refused) }
  }
  const candidate = () => db.explainRoute('select 1', { intent: 'read' }).candidates[0]
  // Either it becomes known how fresh the replica is, or why that cannot be known.
  await until(
    async () => (await where(5_000)) || /pooler/.test(candidate()?.reason ?? ''),
    'a bounded read on the replica',
  )
  const session = db.session()
  for (let n = 1; n <= 20; n++) {
    await session.query('insert into routed values ($1)', [n])
    const { rows } = await session.query<{ n: number }>(
      'select count(*)::int as n from routed',
      [],
      { intent: 'read' },
    )
    if (rows[0]!.n !== n) throw new Error(`a session saw ${rows[0]!.n} of its ${n} writes`)
  }
  await server.sql('drop table routed')
  if (await where(5_000)) return WORKS
  if (!(await where(Number.POSITIVE_INFINITY))) throw new Error('no read reaches the replica')
  return {
    is: 'limit',
    reason: `bounded reads and those of sessions go to the primary: ${candidate()!.reason}; reads that accept any age reach the replica`,
  }
}

/** After the death of the primary writes go on, and nothing is lost, doubled or told wrong. */
export const failover: Check = async (ground, make) => {
  await using field = await ground.field!()
  const nodes = field.urls.map((connection, index) =>
    createPool({ driver: make(), connection, name: `node-${index}`, max: 6, ...ground.options }),
  )
  await using db = withFailover(nodes, {
    hold: { timeoutMs: OUTAGE_MS },
    probe: { intervalMs: 200 },
  })
  await db.ready({ timeoutMs: 20_000 })
  for (const text of historyTable()) await db.query(text)
  const pairs = ground.noTransactions === true ? Number.MAX_SAFE_INTEGER : 3
  const deadlineMs = OUTAGE_MS
  const workload = startWorkload({ writes: db, writers: 4, deadlineMs, pairEvery: pairs })
  await sleep(1_000)
  await field.fail()
  const failedAt = performance.now()
  const wrote = (): boolean =>
    workload.history.operations.some(
      ({ outcome, settledAt }) => outcome?.kind === 'acknowledged' && settledAt! > failedAt,
    )
  await until(wrote, 'a write after the promotion', OUTAGE_MS)
  await sleep(1_000)
  const history = await workload.stop()
  // The slow calls of a busy machine are no fault of a corner.
  const graceMs = 10_000
  const { counts, violations } = await verifyHistory(history, { db, pools: [db], graceMs })
  if (violations.length > 0) {
    const [{ kind, who, detail }] = violations as [(typeof violations)[number]]
    throw new Error(`${violations.length} violations; the first: ${kind}, ${who}: ${detail}`)
  }
  if (counts.acknowledged < 10) throw new Error(`only ${counts.acknowledged} writes were made`)
  return WORKS
}
