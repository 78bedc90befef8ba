import {
  type AcquireOptions,
  isPoolhouseError,
  type Lease,
  LeaseReleasedError,
} from '../../src/index.js'
import { MyError, maybeAbort, maybeTimeout, treatment } from './call-parts.js'
import { marked } from './fake-server.js'
import { CLEANING_MS, CONFIRM_MS, GENEROUS_MS } from './limits.js'
import type { HeldLease, World } from './world.js'

/** Asks for a connection and keeps it. */
export function acquire(world: World): void {
  const { random, pool } = world
  const abort = maybeAbort(world)
  const options: AcquireOptions = { timeoutMs: maybeTimeout(world), signal: abort?.signal }
  if (random.chance(0.2)) options.priority = random.int(-1, 1)
  const id = ++world.lastId
  let served = false
  world.say(`acquire ${id} ${JSON.stringify(options)}`)
  void world.track(
    'acquire',
    pool.acquire(options),
    options.timeoutMs ?? world.options.acquireTimeoutMs,
    {
      id,
      priority: options.priority ?? 0,
      abort,
      served: () => served,
      then: (lease) => {
        served = true
        hold(world, id, lease)
      },
      failed: (error) => expectNotExecuted(world, `acquire ${id}`, error),
    },
  )
}

/** Takes a connection if one is free. */
export function tryAcquire(world: World): void {
  const lease = world.pool.tryAcquire()
  const id = ++world.lastId
  world.say(`tryAcquire ${id} ${lease === undefined ? 'nothing' : lease.connection}`)
  if (lease !== undefined) hold(world, id, lease)
}

/** The schedule owns a connection now. No other lease may hold it, and it must be clean. */
function hold(world: World, id: number, lease: Lease): void {
  const { server } = world
  const pid = lease.info.backendPid
  const connection = [...server.driver.open].find(({ info }) => info.backendPid === pid)
  if (server.heldBy.has(pid)) world.complain(`session ${pid} has two owners`)
  if (connection !== undefined) {
    if (connection.sessionStatus !== 'idle') world.complain(`lease ${id} inherited a transaction`)
    if (connection.settings.size > 0) world.complain(`lease ${id} inherited settings`)
    if (connection.inFlight > 0) world.complain(`lease ${id} inherited a running statement`)
  }
  server.heldBy.set(pid, id)
  world.leases.push({ id, lease, pid })
}

/** One of the leases that are held. */
export function take(world: World): HeldLease | undefined {
  if (world.leases.length === 0) return undefined
  const index = world.random.int(0, world.leases.length - 1)
  return world.leases[index]
}

/** The schedule no longer owns the connection. Must be called just before the pool is told. */
function letGo(world: World, held: HeldLease): void {
  world.leases.splice(world.leases.indexOf(held), 1)
  world.server.heldBy.delete(held.pid)
  world.ended.push(held.lease)
}

/** Runs a statement on a lease that is held. */
export function leaseQuery(world: World): void {
  const held = take(world)
  if (held === undefined) return
  const { random } = world
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world)
  const text = random.pick(['select 1', 'select 2', 'begin', 'commit', 'set a = 1', 'rollback'])
  const id = ++world.lastId
  const sql = marked(text, 'lease', held.id, treatment(world))
  world.say(`lease ${held.id} query ${id} ${sql} timeout ${timeoutMs}`)
  const limit =
    timeoutMs === undefined
      ? 20 * (world.options.statementTimeoutMs + CLEANING_MS)
      : timeoutMs + CONFIRM_MS
  void world.track(
    'lease query',
    held.lease.query(sql, undefined, { timeoutMs, signal: abort?.signal }),
    limit,
    { id, abort },
  )
}

/** Gives a lease back. */
export function release(world: World): void {
  const held = take(world)
  if (held === undefined) return
  world.say(`release ${held.id}`)
  letGo(world, held)
  held.lease.release()
}

/** Destroys the connection of a lease. */
export function destroy(world: World): void {
  const held = take(world)
  if (held === undefined) return
  world.say(`destroy ${held.id}`)
  letGo(world, held)
  held.lease.destroy('by the schedule')
}

/** Tries what must be refused: a second release, and a statement after the release. */
export function useEnded(world: World): void {
  if (world.ended.length === 0) return
  const lease = world.random.pick(world.ended)
  lease.release()
  const id = ++world.lastId
  const sql = marked('select 1', 'ended', id, 'ok')
  void world.track('query after release', lease.query(sql), 0, {
    id,
    then: () => world.complain('a lease worked after its end'),
    failed: (error) => {
      if (!(error instanceof LeaseReleasedError)) world.complain(`wrong refusal: ${String(error)}`)
    },
  })
}

/** Borrows a connection for a few statements, and may break the rules. */
export function use(world: World): void {
  const { random } = world
  const id = ++world.lastId
  const script = Array.from({ length: random.int(0, 3) }, () => treatment(world))
  const ending = random.pick(['return', 'throw', 'release', 'forget'])
  world.say(`use ${id} ${script.join()} ${ending}`)
  const work = async (lease: Lease): Promise<void> => {
    const pid = lease.info.backendPid
    if (world.server.heldBy.has(pid)) world.complain(`use ${id} got a session that is held`)
    world.server.heldBy.set(pid, id)
    try {
      for (const step of script) {
        const sql = marked(random.pick(['select 1', 'begin', 'set c = 3']), 'lease', id, step)
        const run = lease.query(sql)
        if (ending === 'forget') {
          world.server.careless.add(id)
          run.catch(() => {})
        } else {
          await run
        }
      }
      if (ending === 'throw') throw new MyError('work failed')
    } finally {
      world.server.heldBy.delete(pid)
      if (ending === 'release') lease.release()
    }
  }
  void world.track('use', world.pool.use(work), GENEROUS_MS, { id })
}

function expectNotExecuted(world: World, who: string, error: unknown): void {
  if (isPoolhouseError(error) && error.executed === 'no') return
  world.complain(
    `${who} failed with ${String(error)}, which does not say that nothing was executed`,
  )
}
