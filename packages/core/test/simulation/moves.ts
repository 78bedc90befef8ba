import { arrayTransaction, leaseBatch, oddTransaction } from './batch-moves.js'
import { copyIn, copyOut, stream } from './bulk-moves.js'
import { abortSomething, poolQuery, transaction } from './call-moves.js'
import { acquire, destroy, leaseQuery, release, tryAcquire, use, useEnded } from './lease-moves.js'
import { nest } from './nested-moves.js'
import {
  changeMood,
  changeSharing,
  kill,
  noticePooler,
  openSession,
  recycle,
  resize,
  useSession,
  warm,
} from './operator-moves.js'
import { sharedCalls } from './shared-moves.js'
import type { World } from './world.js'

const MOVES: readonly [weight: number, move: (world: World) => void][] = [
  [14, acquire],
  [4, tryAcquire],
  [10, leaseQuery],
  [12, release],
  [3, destroy],
  [3, useEnded],
  [14, poolQuery],
  [24, sharedCalls],
  [5, use],
  [6, nest],
  [8, transaction],
  [8, oddTransaction],
  [6, arrayTransaction],
  [8, leaseBatch],
  [5, stream],
  [3, copyOut],
  [3, copyIn],
  [10, abortSomething],
  [4, kill],
  [7, changeMood],
  [2, resize],
  [2, changeSharing],
  [0.2, noticePooler],
  [2, recycle],
  [2, warm],
  [2, openSession],
  [3, useSession],
  [2, (world) => world.pool.suspect('the schedule says so')],
  [
    1,
    (world) => {
      world.say('destroyAll')
      world.pool.destroyAll('the schedule says so')
    },
  ],
  [
    2,
    (world) => {
      world.say('suspend')
      world.suspended = true
      world.pool.suspend()
    },
  ],
  [
    3,
    (world) => {
      world.say('resume')
      world.suspended = false
      world.pool.resume()
    },
  ],
  [
    1,
    (world) => {
      world.say('reconfigure')
      world.pool.reconfigure({ connection: 'postgres://other:secret@localhost/app' })
    },
  ],
  [1, (world) => world.stall(world.random.int(1, 5_000))],
  [1, (world) => world.clock.shiftWall(world.random.int(-10_000_000, 10_000_000))],
]
const TOTAL_WEIGHT = MOVES.reduce((sum, [weight]) => sum + weight, 0)

/** Makes one random move. */
export function move(world: World): void {
  if (world.sharesMost && world.random.chance(0.6)) {
    sharedCalls(world)
    return
  }
  let left = world.random.next() * TOTAL_WEIGHT
  for (const [weight, make] of MOVES) {
    left -= weight
    if (left < 0) {
      make(world)
      return
    }
  }
}

/** Closes the pool in one way or another. */
export function close(world: World): void {
  const { random, pool } = world
  const timeoutMs = random.pick([0, 10, 200])
  const waiters = random.pick(['reject', 'serve'] as const)
  world.say(`close ${waiters} ${timeoutMs}`)
  world.closing = true
  world.refusing = waiters === 'reject'
  void world.track('close', pool.close({ timeoutMs, waiters }), timeoutMs + 500)
  if (random.chance(0.3)) void world.track('close', pool.close(), timeoutMs + 500)
}
