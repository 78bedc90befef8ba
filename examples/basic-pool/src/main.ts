import { createPool, type Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { withServer } from './server.js'
import { compare } from './timings.js'
import { showFullPool, showLeak, showLostServer } from './trouble.js'

/** Everything a program does with a pool. It is the same with either driver. */
async function program(driver: Driver, url: string): Promise<void> {
  const pool = createPool({ driver, connection: url, name: 'basic', min: 2, max: 5 })

  // `min` connections are opened in the background; `warm` waits for them, and fails if there is no
  // server.
  await pool.warm()
  console.log(`  min         ${pool.stats().total} connections are open before the first call`)

  // One statement: borrows a connection and gives it back.
  const { rows } = await pool.query('select $1::int + $2::int as sum', [40, 2])
  console.log(`  query       40 + 2 = ${rows[0]?.['sum']}`)

  // Several statements on one connection: it comes back when the function ends, even if it
  // throws.
  const [first, second] = await pool.use(async (lease) => [
    await lease.query<{ pid: number }>('select pg_backend_pid() as pid'),
    await lease.query<{ pid: number }>('select pg_backend_pid() as pid'),
  ])
  const same = first?.rows[0]?.pid === second?.rows[0]?.pid
  console.log(`  use         two statements in ${same ? 'one server process' : 'two processes'}`)

  // All or nothing.
  await pool.transaction(async (tx) => {
    await tx.query('insert into visits (name) values ($1)', ['Ada'])
    await tx.query('insert into visits (name) values ($1)', ['Grace'])
  })

  // By hand: each acquire needs a release. `await using lease = …` does it at the end of the
  // block.
  const leases = await Promise.all([1, 2, 3, 4, 5].map(() => pool.acquire()))
  const { leased, idle, max } = pool.stats()
  console.log(`  acquire     ${leased} leased, ${idle} idle, max ${max}: the sixth would wait`)
  const sixth = pool.acquire()
  const given = leases[0]
  given?.release()
  const handed = (await sixth).connection === given?.connection
  console.log(
    `  release     the sixth got ${handed ? 'the very connection that came back' : 'one'}`,
  )
  for (const lease of [...leases, await sixth]) lease.release()

  const { counters, waitMs } = pool.stats()
  console.log(
    `  stats       ${counters.acquired} acquired, ${counters.created} connections created, ` +
      `longest wait ${waitMs.max.toFixed(1)} ms`,
  )
  await pool.close()
}

await withServer(async (server) => {
  for (const driver of [nodePostgres(), postgresJs()]) {
    console.log(`${driver.name}: the program`)
    await program(driver, server.url)
    console.log(`${driver.name}: in trouble`)
    await showLeak(driver, server)
    await showFullPool(driver, server)
    await showLostServer(driver, server)
    console.log(`${driver.name}: what a pool is for`)
    await compare(driver, server.url)
  }
})
console.log('Everything is closed.')
