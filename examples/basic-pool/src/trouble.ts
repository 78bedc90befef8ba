import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, type Driver, type Lease, type Pool, PoolhouseError } from '@poolhouse/core'
import type { ClusterNode } from '@poolhouse/testkit'

/** A lease that is never released: the pool reports its borrower. */
export async function showLeak(driver: Driver, { url }: ClusterNode): Promise<void> {
  const pool = createPool({ driver, connection: url, name: 'leaky', leakWarningMs: 500 })
  const leak = new Promise<void>((resolve) => {
    pool.on('leak', ({ heldMs, statement, stack }) => {
      console.log(`  leak        a lease has been out for ${Math.round(heldMs)} ms`)
      console.log(`              its last statement: ${statement}`)
      console.log(`              acquired ${culprit(stack)}`)
      resolve()
    })
  })
  const forgotten = await forgetful(pool)
  await leak
  forgotten.release() // in a real leak, this line is missing
  await pool.close()
}

async function forgetful(pool: Pool): Promise<Lease> {
  const lease = await pool.acquire()
  await lease.query('select count(*) from visits')
  return lease
}

/** Waits are limited, and so is the queue. Nothing was sent in either case. */
export async function showFullPool(driver: Driver, { url }: ClusterNode): Promise<void> {
  const pool = createPool({ driver, connection: url, name: 'full', max: 1, maxPending: 1 })
  const only = await pool.acquire()
  await tell('full pool', () => pool.acquire({ timeoutMs: 150 }))
  const waiting = pool.acquire()
  await tell('full queue', () => pool.acquire())
  only.release()
  ;(await waiting).release()
  await pool.close()
}

/**
 * The server dies during a statement, is away for a while, and comes back; the pool recovers by
 * itself.
 */
export async function showLostServer(driver: Driver, server: ClusterNode): Promise<void> {
  const pool = createPool({ driver, connection: server.url, name: 'lost' })
  await pool.query('select 1')
  const dies = sleep(100).then(() => server.kill())
  await tell('server lost', () => pool.query("insert into visits select 'Alan' from pg_sleep(9)"))
  await dies
  await tell('server away', () => pool.query('select 1', [], { timeoutMs: 250 }))

  await server.start()
  const began = performance.now()
  await pool.query('select 1')
  console.log(`  server back the first query was answered after ${msSince(began)}`)
  await pool.close()
}

/** Runs a call that must fail, and prints its error. */
async function tell(what: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now()
  const error: unknown = await work().then(
    () => new Error(`${what}: nothing failed`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof PoolhouseError)) throw error
  console.log(
    `  ${what.padEnd(11)} ${error.name} after ${msSince(began)}, executed: '${error.executed}'`,
  )
  console.log(`                ${error.message}`)
}

function msSince(began: number): string {
  return `${Math.round(performance.now() - began)} ms`
}

/** The line of a stack that is ours. */
function culprit(stack: string | undefined): string {
  const line = stack?.split('\n').find((entry) => entry.includes('/src/trouble.ts'))
  return line?.trim().replace(/\(.*\/src\//, '(src/') ?? 'somewhere that was not sampled'
}
