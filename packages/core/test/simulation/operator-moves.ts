import { treatment } from './call-parts.js'
import { type ConnectMood, marked } from './fake-server.js'
import { CLEANING_MS, GENEROUS_MS } from './limits.js'
import { sharing } from './sharing.js'
import type { World } from './world.js'

/** The server ends sessions. */
export function kill(world: World): void {
  const open = [...world.server.driver.open]
  if (open.length === 0) return
  const victims = world.random.chance(0.2) ? open : [world.random.pick(open)]
  world.say(`kill ${victims.map(({ info }) => info.backendPid).join()}`)
  for (const victim of victims) victim.lose('killed by an administrator')
  // To the pool, one that dies at once was never opened.
  world.server.lastRefusalAt = world.clock.now()
}

/** The server changes its behaviour. */
export function changeMood(world: World): void {
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
  server.cancelSlowness = random.pick([0, 3, 100, 2_000])
  server.cancelFails = random.chance(0.2)
  server.driver.options.closeMs = random.pick([0, 0, 5, 'hang', new Error('close failed')])
  world.say(`mood ${server.mood}`)
}

/** Changes the sizes. */
export function resize(world: World): void {
  const max = world.random.int(1, 5)
  world.say(`resize ${max}`)
  world.surplus = Math.max(world.surplus, world.pool.stats().total - max)
  world.max = max
  world.pool.resize({ max, min: world.random.int(0, max) })
}

/** Changes whether and how callers share connections. */
export function changeSharing(world: World): void {
  const multiplex = sharing(world.random, world.max)
  world.say(`reconfigure multiplex ${JSON.stringify(multiplex)}`)
  world.multiplex = multiplex
  world.pool.reconfigure({ multiplex })
}

/** A new session is answered by another process than it was told: a pooler stands in between. */
export function noticePooler(world: World): void {
  world.say('pooler')
  world.server.isPooler = true
}

/** Replaces every connection. */
export function recycle(world: World): void {
  world.say('recycle')
  // It waits for leases, which the schedule may keep to the end.
  void world.track('recycle', world.pool.recycle(), Number.POSITIVE_INFINITY)
}

/** Opens connections ahead of need. */
export function warm(world: World): void {
  world.say('warm')
  const promise = world.pool.warm(world.random.int(1, world.max))
  void world.track('warm', promise, GENEROUS_MS)
}

/** Opens a session beside the pool. */
export function openSession(world: World): void {
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

/** Uses or ends a session beside the pool. */
export function useSession(world: World): void {
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
