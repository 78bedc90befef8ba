import type { Cluster } from '@poolhouse/testkit'
import { until } from '../until.js'

/** Resolves when each replica has replayed what the primary has written. */
export async function replicasCaughtUp({ primary, replicas }: Cluster): Promise<void> {
  const [end] = await primary.sql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  const replayed = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as is'
  for (const replica of replicas) {
    const isThere = async (): Promise<boolean> => {
      const [row] = await replica.sql<{ is: boolean }>(replayed, [end!.lsn])
      return row!.is
    }
    await until(isThere, `${replica.name} to have replayed to ${end!.lsn}`)
  }
}
