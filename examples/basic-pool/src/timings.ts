import { createPool, type Driver } from '@poolhouse/core'
import pg from 'pg'
import postgres from 'postgres'

const ROUNDS = 100

/** What a program without a pool does for each query, with the libraries themselves. */
const connectAndAsk: Readonly<Record<string, (url: string) => Promise<void>>> = {
  pg: async (url) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('select 1')
    await client.end()
  },
  'postgres.js': async (url) => {
    const sql = postgres(url, { max: 1 })
    await sql`select 1`
    await sql.end()
  },
}

/** Times the same query with a new connection each time, and through a pool. */
export async function compare(driver: Driver, url: string): Promise<void> {
  const connect = connectAndAsk[driver.name]
  if (connect === undefined) throw new Error(`no way to connect with ${driver.name}`)
  const alone = await median(() => connect(url))
  await using pool = createPool({ driver, connection: url, min: 1 })
  const pooled = await median(() => pool.query('select 1'))
  console.log(`  connect     ${alone.toFixed(2)} ms for each query, median of ${ROUNDS}`)
  console.log(`  pool        ${pooled.toFixed(2)} ms, ${(alone / pooled).toFixed(0)} times faster`)
}

async function median(ask: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now()
    await ask()
    times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)[ROUNDS / 2] ?? Number.NaN
}
