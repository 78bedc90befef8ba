import { type Lease, PoolDeadlockError } from '../../src/index.js'
import { sleep } from '../../src/kit.js'
import { GENEROUS_MS } from './call-parts.js'
import { marked } from './fake-server.js'
import type { World } from './world.js'

/**
 * Longest time a deadlock may last: half a second without a release, and the pool looks once a
 * second.
 */
const DEADLOCK_MS = 2_000

/**
 * Holds a connection while it waits for another one, which is how a pool is brought to a
 * standstill.
 */
export function nest(world: World): void {
  const { random, pool } = world
  const id = ++world.lastId
  const depth = random.int(1, 3)
  const napMs = random.pick([0, 0, 5, 200])
  world.say(`nest ${id} depth ${depth} nap ${napMs}`)
  const inner = async (left: number): Promise<void> => {
    const wait = { since: world.clock.now() }
    world.nestedWaits.add(wait)
    const work = async (lease: Lease): Promise<void> => {
      world.nestedWaits.delete(wait)
      await hold(lease, left)
    }
    try {
      await pool.use(work)
    } finally {
      world.nestedWaits.delete(wait)
    }
  }
  const hold = async (lease: Lease, left: number): Promise<void> => {
    const pid = lease.info.backendPid
    if (world.server.heldBy.has(pid)) world.complain(`nest ${id} got a session that is held`)
    world.server.heldBy.set(pid, id)
    try {
      await lease.query(marked('select 1', 'lease', id, 'ok'))
      if (napMs > 0) {
        world.sleeping++
        await sleep(world.clock, napMs)
        world.sleeping--
      }
      if (left > 0) await inner(left - 1)
    } finally {
      world.server.heldBy.delete(pid)
    }
  }
  const outer = pool.use((lease) => hold(lease, depth))
  void world.track('nest', outer, GENEROUS_MS, {
    id,
    failed: (error) => {
      if (!(error instanceof PoolDeadlockError)) return
      world.deadlocks++
      if (error.executed !== 'no') world.complain(`nest ${id}: a deadlock says ${error.executed}`)
    },
  })
}

/** All connections are held by work that waits for more: the pool must have ended that. */
export function checkDeadlock(world: World): void {
  const { leased, total } = world.pool.stats()
  if (world.suspended || world.closing || total < world.max || leased < total) return
  const now = world.clock.now()
  const waits = [...world.nestedWaits].filter(({ since }) => now - since > DEADLOCK_MS)
  // A connection that is held otherwise, or by work whose statement still runs, may come back by
  // itself.
  if (world.leases.length > 0 || waits.length < total || world.nestedWaits.size > waits.length)
    return
  if (world.calls.size === waits.length && [...world.calls].every(({ kind }) => kind === 'nest')) {
    world.complain(`${waits.length} wait for each other, and the pool does not end it`)
  }
}
