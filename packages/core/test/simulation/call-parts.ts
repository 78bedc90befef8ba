import { sleep } from '../../src/kit.js'
import type { World } from './world.js'

/** An error of the schedule itself, as a user's callback would throw it. */
export class MyError extends Error {
  readonly mine = true
}

/** How the server shall treat the next statement. */
export function treatment(world: World): string {
  return world.random.pick(['ok', 'ok', 'ok', 'ok', 'fail', 'hang', 'lose', 'fatal'])
}

/** An abort controller in a third of all calls. */
export function maybeAbort(world: World): AbortController | undefined {
  return world.random.chance(0.33) ? new AbortController() : undefined
}

/** A time-out in a share of all calls. */
export function maybeTimeout(world: World, share = 0.4): number | undefined {
  return world.random.chance(share) ? world.random.int(1, 300) : undefined
}

/** Waits on the clock of the world, and counts as sleeping meanwhile. */
export async function nap(world: World, ms: number): Promise<void> {
  world.sleeping++
  await sleep(world.clock, ms)
  world.sleeping--
}
