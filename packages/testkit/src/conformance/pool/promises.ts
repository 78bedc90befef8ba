import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { Pool } from '@poolhouse/core'
import { within } from '../run/waiting.js'
import type { PoolArea, PoolCase, PoolContext } from './pool-context.js'
import type { PoolFeature } from './pool-traits.js'

/** A call that returns a promise, with one argument that is wrong, or odd. */
type Call = (pool: Pool, value: never) => Promise<unknown>

interface Method {
  readonly what: string
  readonly needs?: readonly PoolFeature[]
  /** By the argument that is replaced. */
  readonly calls: Readonly<Record<string, Call>>
}

const OWN = new Error('from a getter')
const thrower = (): never => {
  throw OWN
}

/** Objects that fail as soon as anything is asked of them. */
const HOSTILE: readonly unknown[] = [
  new Proxy({}, { get: thrower, ownKeys: thrower, has: thrower, getPrototypeOf: thrower }),
  Object.defineProperty({}, 'timeoutMs', { get: thrower, enumerable: true }),
  Object.defineProperty({}, 'signal', { get: thrower, enumerable: true }),
  Object.defineProperty({}, 'text', { get: thrower, enumerable: true }),
]

const VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  7,
  -1,
  Number.NaN,
  10n,
  '',
  'word',
  Symbol('s'),
  () => {},
  [],
  {},
  Object.freeze({}),
  Object.freeze({ timeoutMs: 0 }),
  Object.freeze({ timeoutMs: '5' }),
  Object.freeze({ signal: {} }),
  Object.freeze({ unknown: 1 }),
  Object.create(null),
  ...HOSTILE,
]

const work = async (): Promise<void> => {}

const METHODS: readonly Method[] = [
  {
    what: 'query',
    calls: {
      text: (pool, value) => pool.query(value),
      values: (pool, value) => pool.query('select 1', value),
      options: (pool, value) => pool.query('select 1', [], value),
    },
  },
  {
    what: 'transaction',
    calls: {
      work: (pool, value) => pool.transaction(value),
      options: (pool, value) => pool.transaction(work, value),
    },
  },
  { what: 'ready', calls: { options: (pool, value) => pool.ready(value) } },
  {
    what: 'acquire',
    calls: {
      options: async (pool, value) => {
        // Called at once, so that what is thrown is not taken for a rejection.
        const lease = await returned(() => pool.acquire(value))
        lease.release()
      },
    },
  },
  {
    what: 'use',
    calls: {
      work: (pool, value) => pool.use(value),
      options: (pool, value) => pool.use(work, value),
    },
  },
  {
    what: 'copyFrom',
    calls: {
      text: (pool, value) => pool.copyFrom(value, []),
      source: (pool, value) => pool.copyFrom('copy nowhere from stdin', value),
      options: (pool, value) => pool.copyFrom('copy nowhere from stdin', [], value),
    },
  },
  {
    what: 'listen',
    calls: {
      channel: async (pool, value) =>
        await (await returned(() => pool.listen(value, () => {}))).close(),
      onNotify: async (pool, value) =>
        await (await returned(() => pool.listen('news', value))).close(),
      options: async (pool, value) =>
        await (await returned(() => pool.listen('news', () => {}, value))).close(),
    },
  },
  { what: 'close', calls: { options: (pool, value) => pool.close(value) } },
]

class Thrown extends Error {}

/** What a call returned; rejects with `Thrown` if it threw instead. */
function returned<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(new Thrown(String(error)))
  }
}

const IS_RIGHT: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  values: (value) => value === undefined || Array.isArray(value) || isPlainOptions(value),
  options: (value) => value === undefined || isPlainOptions(value),
  // `transaction` takes statements too, none among them.
  work: (value) => typeof value === 'function' || (Array.isArray(value) && value.length === 0),
  source: (value) => typeof value === 'string' || typeof value === 'object',
  channel: (value) => value === 'word',
  onNotify: (value) => typeof value === 'function',
}

function isPlainOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || HOSTILE.includes(value)) return false
  return Object.keys(value).length === 0
}

async function check(test: PoolContext, what: string, name: string, call: Call): Promise<void> {
  const pool = await test.pool({ max: 2 })
  for (const value of VALUES) {
    const where = `${what} with ${name} ${HOSTILE.includes(value) ? 'that throws' : inspect(value)}`
    const isRight = IS_RIGHT[name]!(value)
    // What is right closes the pool, and after that everything is.
    if (what === 'close' && (isRight || isTimeout(value))) continue
    const outcome = returned(() => call(pool, value as never)).then(
      () => undefined,
      (error: unknown) => error ?? 'nothing',
    )
    const error = await within(outcome, 5_000, where)
    assert.ok(!(error instanceof Thrown), `${where} threw instead of rejecting: ${String(error)}`)
    if (error === undefined) {
      assert.ok(isRight, `${where} was accepted`)
      continue
    }
    assert.ok(error instanceof Error, `${where} rejected with ${inspect(error)}`)
    const { message } = error
    assert.ok(
      error === OWN || !OF_THE_LANGUAGE.test(message),
      `${where} rejected with "${message}"`,
    )
  }
  await pool.query('select 1')
}

const OF_THE_LANGUAGE = /Cannot (read|convert)|is not (a function|iterable)|undefined \(/

/** A limit of no time at all, with which a pool may be closed. */
function isTimeout(value: unknown): boolean {
  if (HOSTILE.includes(value)) return false
  return (value as { timeoutMs?: unknown } | null | undefined)?.timeoutMs === 0
}

/** Whatever a call is given, what it has to say comes as a rejection of its promise. */
export const promises: PoolArea = {
  area: 'promises',
  cases: METHODS.flatMap(({ what, needs = [], calls }) =>
    Object.entries(calls).map(
      ([name, call]): PoolCase => ({
        title: `T91: ${what} never throws: whatever its ${name} may be, its promise rejects or resolves`,
        needs,
        run: (test) => check(test, what, name, call),
      }),
    ),
  ),
}
