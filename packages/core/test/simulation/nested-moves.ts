import { type Lease, PoolDeadlockError } from '../../src/index.js'
import { sleep } from '../../src/kit.js'
import { marked } from './fake-server.js'
import { GENEROUS_MS } from './limits.js'
import type { World } from './world.js'

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
