import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { DRIVERS } from '../support/drivers.js'
import { testServer } from '../support/servers/test-server.js'

const server = testServer()

interface Report {
  readonly rows: number
  readonly rowCount: number
  readonly bytesOut: number
  readonly buffersMb: number
  readonly served: { count: number; failed: number; slowestMs: number }
  readonly created: number
}

describe.each(DRIVERS)('a process with a heap of 96 MB over $driver', ({ driver }) => {
  it('F46: streams a million wide rows and copies 320 MB in and out, and serves its other pool all the time', async () => {
    await server.sql('grant create on schema public to app')
    const child = startChild('bulk-child', [server.url, driver], ['--max-old-space-size=96'])
    expect(await child.ended).toBe(0)
    const report = JSON.parse(child.lines.at(-1)!) as Report
    expect(report).toMatchObject({
      rows: 1_000_000,
      rowCount: 320_000,
      bytesOut: 320_000 * 1_024,
      created: 1,
    })
    // What is under way, and not what there is; most of it is what the collector has not looked at
    // yet.
    expect(report.buffersMb).toBeLessThan(150)
    expect(report.served.failed).toBe(0)
    expect(report.served.count).toBeGreaterThan(100)
    expect(report.served.slowestMs).toBeLessThan(5_000)
  }, 240_000)
})
