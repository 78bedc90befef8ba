// Run as a process of its own with a small heap: results far larger than its memory go through one
// pool while another serves on.
import { createPool } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { say } from './say.js'

const [, , url, name] = process.argv
const options = { driver: driverNamed(name), connection: url!, max: 2 }
const bulk = createPool({ ...options, name: 'bulk' })
const small = createPool({ ...options, name: 'small' })

const LINE = Buffer.from(`${'x'.repeat(1_023)}\n`)
const LINES = 320_000
const WIDE = `select n, repeat('a', 60) as a, repeat('b', 60) as b, md5(n::text) as c, md5((n + 1)::text) as d,
  n * 2 as e, n::text as f, n / 3.0 as g, n % 2 = 0 as h, null as i
  from generate_series(1, 1000000) as n`

// The other tenant: it is to be served all the time.
let going = true
const served = { count: 0, failed: 0, slowestMs: 0 }
async function serve(): Promise<void> {
  while (going) {
    const since = performance.now()
    await small.query('select 1').then(
      () => served.count++,
      () => served.failed++,
    )
    served.slowestMs = Math.max(served.slowestMs, performance.now() - since)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

// Buffers are not on the heap that the flag limits.
let buffersMb = 0
const sampling = setInterval(() => {
  buffersMb = Math.max(buffersMb, process.memoryUsage().arrayBuffers / 2 ** 20)
}, 10)

function* lines(): Generator<Uint8Array> {
  for (let line = 0; line < LINES; line++) yield LINE
}

const serving = serve()
let rows = 0
for await (const row of bulk.stream<{ n: number; h: boolean }>(WIDE, [], { batchSize: 500 })) {
  rows += row.h === (row.n % 2 === 0) ? 1 : 0
}
await bulk.query('create unlogged table bulk (t text)')
const { rowCount } = await bulk.copyFrom('copy bulk from stdin', lines())
let bytesOut = 0
for await (const piece of bulk.copyTo('copy bulk to stdout')) bytesOut += piece.length
await bulk.query('drop table bulk')
going = false
await serving
clearInterval(sampling)
const { created } = bulk.stats().counters
say(JSON.stringify({ rows, rowCount, bytesOut, buffersMb, served, created }))
await Promise.all([bulk.close(), small.close()])
