import { isPoolhouseError } from '../../src/index.js'
import { maybeAbort, maybeTimeout } from './call-parts.js'
import { markOf } from './fake-server.js'
import { CONFIRM_MS } from './limits.js'
import type { World } from './world.js'

// Few, so that the pool soon knows what they cost.
const TEXTS = ['select $1', 'select $1 as id', 'select $1 from t where a = 1']

/** Some calls that may share a connection, at one moment. */
export function sharedCalls(world: World): void {
  const { random } = world
  const count = random.chance(0.4) ? random.int(2, 12) : 1
  for (let left = count; left > 0; left--) sharedCall(world)
}

function sharedCall(world: World): void {
  const { random, options, server } = world
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world)
  const id = ++world.lastId
  const treatment = random.pick(TREATMENTS)
  const text = random.pick(TEXTS)
  world.say(`share ${id} ${text} ${treatment} timeout ${timeoutMs}`)
  // What was cancelled in the place of another call waits and runs once more.
  const limit =
    timeoutMs === undefined
      ? 2 * (options.acquireTimeoutMs + options.statementTimeoutMs) + CONFIRM_MS
      : timeoutMs + CONFIRM_MS
  const fate = (): string => server.fates.get(`share ${id}`)?.outcome ?? 'never sent'
  const promise = world.pool.query<{ id: number }>(text, [markOf('share', id, treatment)], {
    timeoutMs,
    signal: abort?.signal,
  })
  void world.track('share', promise, limit, {
    id,
    abort,
    served: () => fate() !== 'never sent',
    then: ({ rows }) => {
      if (fate() !== 'done') world.complain(`share ${id} resolved, but the server says ${fate()}`)
      if (rows[0]?.id !== id) world.complain(`share ${id} got the answer of ${rows[0]?.id}`)
    },
    failed: (error) => {
      if (!isPoolhouseError(error)) return
      world.verdicts.push({ who: `share ${id}`, executed: error.executed, fate })
      // A pool that closes cancels what runs.
      if (error.code === '57014' && !world.closing)
        world.complain(`share ${id} was cancelled in the place of another`)
      if (error.code === '22012' && error.message !== `of ${id}`) {
        world.complain(`share ${id} got the error ${error.message}`)
      }
    },
  })
}

const TREATMENTS = [
  ...Array<string>(8).fill('ok'),
  ...Array<string>(4).fill('slow'),
  'fail',
  'fail',
  'hang',
  'lose',
  'fatal',
]
