import { AsyncLocalStorage } from 'node:async_hooks'
import type { Intent } from '@poolhouse/core'
import { checkNumber, checkWord, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'
import { hintOf, mayHint } from '../classify/hint.js'
import type { ReplicaSession } from './replica-pool.js'

/**
 * What `runWith` says about all calls inside it. Options of a call, a reader or a session come
 * first.
 *
 * @example
 * const options: RunWithOptions = {
 *   intent: 'read',
 *   maxStalenessMs: 1_000,
 *   maxStalenessBytes: 1_048_576,
 *   session: db.session(token),
 * }
 * await runWith(options, () => handle(request))
 */
export interface RunWithOptions {
  /** The intent of calls that declare none themselves. Default: that around it, or none. */
  intent?: Intent | undefined
  /** Oldest data that reads accept, in milliseconds. Default: that around it, or the pool's. */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that a replica may have left to replay, in bytes. Default: that around it,
   * or the pool's.
   */
  maxStalenessBytes?: number | undefined
  /**
   * The session of all calls on its pool and on readers of that pool. Default: that around it, or
   * none.
   */
  session?: ReplicaSession | undefined
}

const KNOWN: ReadonlySet<string> = new Set([
  'intent',
  'maxStalenessMs',
  'maxStalenessBytes',
  'session',
])
const INTENTS = ['read', 'write'] as const

// The ESM and the CommonJS copy of this package may run in one process. Both must see what either
// of them was told.
const KEY = Symbol.for('poolhouse.ambient')
const shared = globalThis as { [KEY]?: AsyncLocalStorage<RunWithOptions> }

/**
 * Runs `fn` with defaults for all calls on replica pools inside it, however deep: for a request, a
 * job, a test. Calls nest: what the inner one leaves out is taken from the outer one. Returns what
 * `fn` returns. Throws `TypeError` or `RangeError` for wrong options.
 *
 * @example
 * await runWith({ intent: 'read', session: db.session(token) }, () => handle(request))
 */
export function runWith<R>(options: RunWithOptions, fn: () => R): R {
  const where = 'runWith'
  refuseUnknownOptions(where, options, KNOWN)
  const { intent, session } = options
  if (intent !== undefined) checkWord(where, 'intent', intent, INTENTS)
  for (const name of ['maxStalenessMs', 'maxStalenessBytes'] as const) {
    const bound = options[name]
    if (bound !== undefined) {
      checkNumber(where, name, bound, { min: 0, max: Number.POSITIVE_INFINITY })
    }
  }
  if (session !== undefined && typeof session?.freshToken !== 'function') {
    throw new TypeError(
      `${where}: session must be made by session() of a replica pool, got ${describeValue(session)}`,
    )
  }
  shared[KEY] ??= new AsyncLocalStorage()
  const storage = shared[KEY]
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return storage.run(Object.freeze({ ...storage.getStore(), ...Object.fromEntries(given) }), fn)
}

/** What `runWith` says here; undefined outside. Costs nothing before `runWith` is first used. */
export function ambient(): RunWithOptions | undefined {
  return shared[KEY]?.getStore()
}

/**
 * What is said about a call apart from its own options: by `runWith` around it, or else by a hint
 * at the beginning of its text. Undefined if nothing is said. For pools over replica pools, which
 * could otherwise bypass both. Throws `TypeError` for a hint that is neither read nor write.
 *
 * @example
 * annotationOf('-- poolhouse: read\nselect 1')?.intent // read
 */
export function annotationOf(text: string | undefined): RunWithOptions | undefined {
  const around = ambient()
  if (around?.intent !== undefined || text === undefined || !mayHint(text)) return around
  const intent = hintOf(text)
  return intent === undefined ? around : { ...around, intent }
}
