import {
  type ConnectionPool,
  createPool,
  DatabaseError,
  type Lease,
  type PoolOptions,
} from '../src/index.js'
import {
  type FakeConnection,
  type FakeDriver,
  type FakeDriverOptions,
  type FakeReply,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '../src/testing/index.js'

/** A pool on virtual time over a server that does as it is told. */
export interface Harness {
  readonly clock: VirtualClock
  readonly driver: FakeDriver
  readonly pool: ConnectionPool
  /** The only open session, or the one of this number. */
  session(index?: number): FakeConnection
}

/** Makes a pool named `test` of at most two connections. */
export function harness(
  options: Partial<PoolOptions> = {},
  behaviour: Partial<FakeDriverOptions> = {},
): Harness {
  const clock = virtualClock()
  const driver = fakeDriver({ ...behaviour, clock })
  const pool = createPool({
    driver,
    connection: 'postgres://user:secret@localhost/app',
    name: 'test',
    max: 2,
    clock,
    random: () => 0.5,
    ...options,
  })
  const session = (index = 0): FakeConnection => {
    const found = [...driver.open][index]
    if (found === undefined) throw new Error(`no session ${index} is open`)
    return found
  }
  return { clock, driver, pool, session }
}

/** What has become of a promise so far. */
export interface Outcome<T> {
  state: 'pending' | 'resolved' | 'rejected'
  value?: T
  error?: Error & { code?: string; executed?: string; cause?: unknown }
}

/** Watches a promise without letting its rejection escape. */
export function watch<T>(promise: PromiseLike<T>): Outcome<T> {
  const outcome: Outcome<T> = { state: 'pending' }
  promise.then(
    (value) => {
      outcome.state = 'resolved'
      outcome.value = value
    },
    (error: Error) => {
      outcome.state = 'rejected'
      outcome.error = error
    },
  )
  return outcome
}

/** An error as the server sends it. */
export function sqlError(code: string, severity = 'ERROR'): DatabaseError {
  return new DatabaseError(`error ${code}`, { code, severity })
}

/** For `onStatement`: texts that begin with `slow` are never answered. */
export function hangsIfSlow({ text }: { text: string }): FakeReply | undefined {
  return text.startsWith('slow') ? { hang: true } : undefined
}

/** Acquires a connection that the pool can lend at once. */
export async function acquireOne(it: Harness): Promise<Lease> {
  const [lease] = await acquireMany(it)
  return lease!.value!
}

/** Calls `acquire()` this many times, and returns what came of each call. */
export async function acquireMany({ clock, pool }: Harness, count = 1): Promise<Outcome<Lease>[]> {
  const leases = Array.from({ length: count }, () => watch(pool.acquire()))
  await clock.settle()
  return leases
}
