import {
  type AcquireOptions,
  ConnectionLostError,
  isPoolhouseError,
  type Lease,
  LeaseReleasedError,
  type QueryOptions,
  sleep,
  type Transaction,
} from '../../src/index.js'
import { type ConnectMood, marked } from './fake-server.js'
import type { HeldLease, World } from './world.js'

const GENEROUS_MS = 60_000
// After its deadline a statement may be kept this long for the server's word on its fate.
const CONFIRM_MS = 200
// Quarantine, cancellation and rollback of a predecessor on the same lease.
const CLEANING_MS = 6_000

/** An error of the schedule itself, as a user's callback would throw it. */
class MyError extends Error {
  readonly mine = true
}

function treatment(world: World): string {
  return world.random.pick(['ok', 'ok', 'ok', 'ok', 'fail', 'hang', 'lose', 'fatal'])
}

/** An abort controller in a third of all calls. */
function maybeAbort(world: World): AbortController | undefined {
  return world.random.chance(0.33) ? new AbortController() : undefined
}

function maybeTimeout(world: World, share = 0.4): number | undefined {
  return world.random.chance(share) ? world.random.int(1, 300) : undefined
}

function acquire(world: World): void {
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

function tryAcquire(world: World): void {
  const lease = world.pool.tryAcquire()
  const id = ++world.lastId
  world.say(`tryAcquire ${id} ${lease === undefined ? 'nothing' : lease.connection}`)
  if (lease !== undefined) hold(world, id, lease)
}

/** The schedule owns a connection now; nobody else may, and it must be clean. */
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

function take(world: World): HeldLease | undefined {
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

function leaseQuery(world: World): void {
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

function release(world: World): void {
  const held = take(world)
  if (held === undefined) return
  world.say(`release ${held.id}`)
  letGo(world, held)
  held.lease.release()
}

function destroy(world: World): void {
  const held = take(world)
  if (held === undefined) return
  world.say(`destroy ${held.id}`)
  letGo(world, held)
  held.lease.destroy('by the schedule')
}

function useEnded(world: World): void {
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

function poolQuery(world: World): void {
  const { options } = world
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world)
  const id = ++world.lastId
  const text = world.random.chance(0.1) ? 'set b = 2' : 'select 1'
  const sql = marked(text, 'call', id, treatment(world))
  world.say(`query ${id} ${sql} timeout ${timeoutMs}`)
  const limit =
    timeoutMs === undefined
      ? options.acquireTimeoutMs + options.statementTimeoutMs + CONFIRM_MS
      : timeoutMs + CONFIRM_MS
  const queryOptions: QueryOptions = { timeoutMs, signal: abort?.signal }
  const fate = (): string => world.server.fates.get(`call ${id}`)?.outcome ?? 'never sent'
  void world.track('query', world.pool.query(sql, undefined, queryOptions), limit, {
    id,
    priority: 0,
    abort,
    served: () => fate() !== 'never sent',
    then: () => {
      if (fate() !== 'done') world.complain(`query ${id} resolved, but the server says ${fate()}`)
    },
    failed: (error) => {
      const executed = isPoolhouseError(error) ? error.executed : 'yes'
      world.verdicts.push({ who: `query ${id}`, executed, fate })
      // A call that has not been sent waits for another connection, unless all of them were destroyed on purpose.
      const lost = error instanceof ConnectionLostError && !error.message.includes('were destroyed')
      if (lost && fate() === 'never sent') {
        world.complain(`query ${id} was given a dead connection`)
      }
    },
  })
}

function use(world: World): void {
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

function transaction(world: World): void {
  const { random, options } = world
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world, 0.5)
  const attempts = random.chance(0.3) ? 2 : 1
  const script = Array.from({ length: random.int(0, 3) }, () =>
    random.pick([
      'ok',
      'ok',
      'nap',
      'savepoint',
      'fail',
      'serialize',
      'hang',
      'lose',
      'fatal',
      'forget',
    ]),
  )
  const ending = random.pick(['return', 'return', 'return', 'throw', 'rollback'])
  let rolledBack = false
  let sent = false
  world.say(
    `transaction ${id} ${script.join()} ${ending} timeout ${timeoutMs} attempts ${attempts}`,
  )
  const work = async (tx: Transaction): Promise<void> => {
    const run = (step: string): Promise<unknown> => {
      sent = true
      return tx.query(marked('insert', 'tx', id, step))
    }
    for (const step of script) {
      if (step === 'nap') await nap(world, random.int(1, 100))
      else if (step === 'forget') run('ok').catch(() => {})
      else if (step === 'savepoint') await tx.savepoint(() => run('fail')).catch(ignoreMine)
      else await run(step)
    }
    if (ending === 'throw') throw new MyError('work failed')
    if (ending === 'rollback') {
      await tx.rollback()
      rolledBack = true
    }
  }
  const { committed } = world.server
  const limit =
    timeoutMs === undefined
      ? GENEROUS_MS
      : attempts * (options.acquireTimeoutMs + timeoutMs + CONFIRM_MS + 50) + 500
  const promise = world.pool.transaction(work, {
    timeoutMs,
    signal: abort?.signal,
    retry: { attempts },
  })
  void world.track('transaction', promise, limit, {
    id,
    // While COMMIT is under way its answer decides, so a signal need not be obeyed at once.
    then: () => {
      if (sent && !rolledBack && !committed.has(id)) {
        world.complain(`transaction ${id} resolved without a commit`)
      }
    },
    failed: (error) => {
      const executed = isPoolhouseError(error) ? error.executed : 'rolled-back'
      const fate = (): string => (committed.has(id) ? 'done' : 'failed')
      if (executed !== 'no') world.verdicts.push({ who: `transaction ${id}`, executed, fate })
      else if (committed.has(id)) world.complain(`transaction ${id} was committed, and failed`)
    },
  })
  if (abort !== undefined) world.aborts.push(abort)
}

function ignoreMine(error: unknown): void {
  if (!isPoolhouseError(error, '23505')) throw error
}

async function nap(world: World, ms: number): Promise<void> {
  world.sleeping++
  await sleep(world.clock, ms)
  world.sleeping--
}

function abortSomething(world: World): void {
  const waiting = [...world.calls].filter(({ abort }) => abort !== undefined)
  if (world.random.chance(0.4) && world.aborts.length > 0) {
    world.random.pick(world.aborts).abort()
    return
  }
  if (waiting.length === 0) return
  const call = world.random.pick(waiting)
  world.say(`abort ${call.kind} ${call.id}`)
  call.abort!.abort()
}

function kill(world: World): void {
  const open = [...world.server.driver.open]
  if (open.length === 0) return
  const victims = world.random.chance(0.2) ? open : [world.random.pick(open)]
  world.say(`kill ${victims.map(({ info }) => info.backendPid).join()}`)
  for (const victim of victims) victim.lose('killed by an administrator')
  // To the pool, one that dies at once was never opened.
  world.server.lastRefusalAt = world.clock.now()
}

function changeMood(world: World): void {
  const { random, server } = world
  const moods: ConnectMood[] = [
    'well',
    'well',
    'well',
    'mixed',
    'refused',
    'hang',
    'full',
    'wrong password',
  ]
  server.mood = random.pick(moods)
  server.slowness = random.pick([1, 5, 50, 400])
  server.cancelSlowness = random.pick([0, 3, 30, 2_000])
  server.cancelFails = random.chance(0.2)
  server.driver.options.closeMs = random.pick([0, 0, 5, 'hang', new Error('close failed')])
  world.say(`mood ${server.mood}`)
}

function resize(world: World): void {
  const max = world.random.int(1, 5)
  world.say(`resize ${max}`)
  world.surplus = Math.max(world.surplus, world.pool.stats().total - max)
  world.max = max
  world.pool.resize({ max, min: world.random.int(0, max) })
}

function recycle(world: World): void {
  world.say('recycle')
  // It waits for leases, which the schedule may keep to the end.
  void world.track('recycle', world.pool.recycle(), Number.POSITIVE_INFINITY)
}

function warm(world: World): void {
  world.say('warm')
  const promise = world.pool.warm(world.random.int(1, world.max))
  void world.track('warm', promise, GENEROUS_MS)
}

function openSession(world: World): void {
  world.say('open session')
  world.opening++
  const timeoutMs = world.random.int(1, 100)
  void world.track('session', world.pool.openSession({ timeoutMs }), timeoutMs + 250, {
    then: (session) => {
      world.opening--
      world.sessions.push(session)
    },
    failed: () => {
      world.opening--
    },
  })
}

function useSession(world: World): void {
  if (world.sessions.length === 0) return
  const session = world.random.pick(world.sessions)
  const id = ++world.lastId
  const action = world.random.pick(['query', 'query', 'close', 'destroy'])
  world.say(`session ${action} ${id}`)
  if (action === 'destroy') session.destroy('by the schedule')
  else if (action === 'close') {
    if (!world.busySessions.has(session))
      void world.track('session close', session.close(), 2_000, { id }).then(() => {})
  } else {
    world.busySessions.add(session)
    const limit = 20 * (world.options.statementTimeoutMs + CLEANING_MS)
    void world.track(
      'session query',
      session.query(marked('select 1', 'session', id, treatment(world))),
      limit,
      { id },
    )
  }
}

function expectNotExecuted(world: World, who: string, error: unknown): void {
  if (isPoolhouseError(error) && error.executed === 'no') return
  world.complain(
    `${who} failed with ${String(error)}, which does not say that nothing was executed`,
  )
}

const MOVES: readonly [weight: number, move: (world: World) => void][] = [
  [14, acquire],
  [4, tryAcquire],
  [10, leaseQuery],
  [12, release],
  [3, destroy],
  [3, useEnded],
  [14, poolQuery],
  [5, use],
  [8, transaction],
  [10, abortSomething],
  [4, kill],
  [7, changeMood],
  [2, resize],
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
