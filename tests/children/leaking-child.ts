// Run as a process of its own, with --expose-gc: a lease is dropped inside an open transaction, and
// no code can give it back.
import { createPool, type LeakEvent, type Lease } from '@poolhouse/core'
import { driverNamed } from '../support/drivers.js'
import { say } from './say.js'

const pool = createPool({
  driver: driverNamed(process.argv[3]),
  connection: process.argv[2]!,
  max: 1,
})
let leak: LeakEvent | undefined
const leaked = new Promise<void>((resolve) => {
  pool.on('leak', (event) => {
    leak = event
    resolve()
  })
})

/**
 * Keeps its lease in a field: a stack that was captured in its method must not keep it alive in
 * turn.
 */
class Borrower {
  lease: Lease | undefined

  async borrow(): Promise<number> {
    this.lease = await pool.acquire()
    await this.lease.query('begin')
    await this.lease.query('insert into leaked values (1)')
    return this.lease.connection
  }
}

const lost = await new Borrower().borrow()
// Leases are put under the collector's watch when they have survived a round of maintenance.
const collecting = setInterval(() => gc!(), 50)
await leaked
clearInterval(collecting)
const next = await pool.acquire()
const { rows } = await next.query<{ n: number }>('select count(*)::int as n from leaked')
const { created, leaks } = pool.stats().counters
say(
  JSON.stringify({
    collected: leak?.collected,
    statement: leak?.statement,
    where: leak?.stack?.includes('Borrower.borrow'),
    sameConnection: next.connection === lost,
    rows: rows[0]!.n,
    created,
    leaks,
  }),
)
next.release()
await pool.close()
