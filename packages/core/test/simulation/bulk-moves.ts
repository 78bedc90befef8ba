import { isPoolhouseError } from '../../src/index.js'
import { MyError, maybeAbort, maybeTimeout, nap, treatment } from './call-parts.js'
import { marked } from './fake-server.js'
import { GENEROUS_MS } from './limits.js'
import type { World } from './world.js'

/** Reads a stream at its own pace, to its end or until the loop is left or fails. */
export function stream(world: World): void {
  const { random, pool } = world
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const sql = marked('rows', 'call', id, treatment(world))
  const batchSize = random.int(1, 4)
  world.say(`stream ${id} ${sql} by ${batchSize}`)
  const rows = pool.stream(sql, [], { batchSize, signal: abort?.signal })
  follow(world, 'stream', id, read(world, rows), abort)
}

/** Copies out, and may stop in the middle. */
export function copyOut(world: World): void {
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const sql = marked('copy t to stdout', 'call', id, treatment(world))
  const timeoutMs = maybeTimeout(world)
  world.say(`copyTo ${id} ${sql} timeout ${timeoutMs}`)
  const pieces = world.pool.copyTo(sql, { signal: abort?.signal, timeoutMs })
  follow(world, 'copyTo', id, read(world, pieces), abort)
}

/** Copies in, from a source that may be slow or fail. */
export function copyIn(world: World): void {
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const sql = marked('copy t from stdin', 'call', id, treatment(world))
  const timeoutMs = maybeTimeout(world)
  world.say(`copyFrom ${id} ${sql} timeout ${timeoutMs}`)
  const copied = world.pool.copyFrom(sql, source(world), { signal: abort?.signal, timeoutMs })
  follow(world, 'copyFrom', id, copied, abort)
}

function follow(
  world: World,
  kind: string,
  id: number,
  promise: Promise<unknown>,
  abort: AbortController | undefined,
): void {
  const fate = (): string => world.server.fates.get(`call ${id}`)?.outcome ?? 'never sent'
  void world.track(kind, promise, GENEROUS_MS, {
    id,
    failed: (error) => {
      // What the loop itself threw says nothing about the server.
      if (isPoolhouseError(error))
        world.verdicts.push({ who: `${kind} ${id}`, executed: error.executed, fate })
    },
  })
  // A reader or a source that is busy with something else learns of its signal only then.
  if (abort !== undefined) world.aborts.push(abort)
}

async function read(world: World, items: AsyncIterable<unknown>): Promise<void> {
  const { random } = world
  const last = random.chance(0.4) ? random.int(0, 4) : Number.POSITIVE_INFINITY
  const fails = random.chance(0.3)
  let count = 0
  for await (const _ of items) {
    if (random.chance(0.2)) await nap(world, random.int(1, 80))
    if (count++ < last) continue
    if (fails) throw new MyError('the reader failed')
    break
  }
}

async function* source(world: World): AsyncGenerator<string> {
  const { random } = world
  for (let left = random.int(0, 4); left > 0; left--) {
    if (random.chance(0.3)) await nap(world, random.int(1, 80))
    yield 'x'.repeat(random.pick([1, 70_000]))
  }
  if (random.chance(0.2)) throw new MyError('the source failed')
}
