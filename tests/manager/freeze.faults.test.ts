import { startCluster } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'

describe.each(DRIVERS)('a frozen process with a manager over $driver', ({ driver }) => {
  it('F45: finds the new primary and fails no call, though its sessions were ended and the primary has moved', async () => {
    await using cluster = await startCluster({ replicas: 1, synchronous: false })
    const child = startChild('frozen-manager-child', [
      driver,
      ...cluster.nodes.map(({ url }) => url),
    ])
    await child.said('ready')
    child.process.kill('SIGSTOP')
    // Longer than what counts as a freeze; most of it passes while the primary moves.
    const frozenUntil = performance.now() + 4_500
    await cluster.primary.kill()
    const primary = await cluster.failover()
    await primary.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${cluster.user}'`,
    )
    await new Promise((resolve) => setTimeout(resolve, frozenUntil - performance.now()))
    child.process.kill('SIGCONT')
    const report = JSON.parse(await child.said('{')) as {
      after: string[]
      opened: number
      used: number[]
      primary: string
      ready: boolean
    }
    expect(await child.ended).toBe(0)
    expect(report.after).toEqual(Array.from({ length: 9 }, () => 'ok'))
    expect(report).toMatchObject({ primary: `127.0.0.1:${primary.port}`, ready: true })
    // No storm: each pool opened what its own calls can use, and the budget knows of every one.
    expect(report.opened).toBeLessThanOrEqual(10)
    expect(Math.max(...report.used)).toBeLessThanOrEqual(10)
  }, 60_000)
})
