import { expect } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { startProxiedCluster } from '../support/proxied-cluster.js'

scenario(
  'S82: a server that refuses everything gets at most a tenth more attempts than there were calls',
  async ({ make }) => {
    await using setup = await startProxiedCluster({ replicas: 0 })
    const pool = setup.pool(make())
    const a = setup.node('a')
    // A sequence is not rolled back, so it counts the attempts. The second time the server itself
    // refuses.
    await a.sql('create sequence attempts')
    await a.sql(`create function refuse() returns int language plpgsql security definer as $$
    begin
      perform nextval('attempts');
      perform set_config('transaction_read_only', 'on', true);
      return nextval('attempts');
    end $$`)
    await pool.query('select 1')
    const calls = 120
    let failed = 0
    for (let round = 0; round < calls / 10; round++) {
      const batch = Array.from({ length: 10 }, () => pool.query('select refuse()'))
      for (const end of await Promise.allSettled(batch)) {
        if (end.status === 'rejected') failed++
        expect(end).toMatchObject({ reason: { code: '25006' } })
      }
    }
    expect(failed).toBe(calls)
    const [row] = await a.sql<{ attempts: string }>('select last_value as attempts from attempts')
    expect(Number(row!.attempts)).toBeGreaterThan(calls)
    expect(Number(row!.attempts)).toBeLessThanOrEqual(calls * 1.1)
  },
)
