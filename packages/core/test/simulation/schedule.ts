import { close, move } from './moves.js'
import { World } from './world.js'

/** Runs one random schedule and closes the pool in the middle of everything. */
async function runSchedule(seed: number, mostSteps: number): Promise<World> {
  const world = new World(seed)
  const { random, clock } = world
  const look = (): boolean => {
    world.checkSettled()
    return world.server.complaints.length > 0
  }
  const steps = Math.min(random.int(10, 60), mostSteps)
  for (let step = 0; step < steps; step++) {
    move(world)
    world.checkBooks()
    if (random.chance(0.3)) {
      for (let hop = random.int(0, 12); hop > 0; hop--) await Promise.resolve()
      world.checkBooks()
      continue
    }
    await clock.settle()
    if (look()) return world
    if (random.chance(0.7)) {
      const next = clock.nextTimerAt - clock.now()
      await clock.advance(
        random.chance(0.5) && Number.isFinite(next) ? Math.max(0, next) : random.int(1, 300),
      )
      if (look()) return world
    }
  }
  if (random.chance(0.3)) world.pool.resume()
  close(world)
  for (let round = 0; round < 40 && (round < 3 || world.calls.size > 0); round++) {
    await clock.advance(round < 10 ? 50 : 2_000)
    // Some leases are kept until the pool has lost patience.
    if (round === 8) world.releaseAll()
    if (look()) return world
  }
  world.releaseAll()
  for (const call of world.calls) world.complain(`${call.kind} ${call.id} never settled`)
  world.checkEnd()
  return world
}

/** What went wrong in one schedule, and the story of it; undefined if nothing did. */
export async function verdict(
  seed: number,
  mostSteps: number = Number.POSITIVE_INFINITY,
): Promise<{ complaints: string[]; story: string } | undefined> {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => {
    rejections.push(reason)
  }
  process.on('unhandledRejection', onRejection)
  try {
    const { server, log } = await runSchedule(seed, mostSteps)
    const complaints = [
      ...new Set(server.complaints),
      ...rejections.map((reason) => `unhandled rejection: ${(reason as Error).stack ?? reason}`),
    ]
    if (complaints.length === 0) return undefined
    const replay = mostSteps === Number.POSITIVE_INFINITY ? seed : `${seed}:${mostSteps}`
    const story = `replay with POOLHOUSE_SIM_SEED=${replay}\n${log.join('\n')}\n${complaints.join('\n')}`
    return { complaints, story }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}
