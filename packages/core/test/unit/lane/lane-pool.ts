import { expect } from 'vitest'
import { type Harness, harness, type Outcome, watch } from '../../harness.js'

/** A text whose callers may share a connection. */
export const TEXT = 'select $1'

/** A call that may share its connection. */
export function call({ pool }: Harness, value: unknown = 1, timeoutMs?: number): Outcome<unknown> {
  return watch(pool.query(TEXT, [value], { timeoutMs }))
}

/**
 * A pool that knows one text as one of `knownMs`, tiny by default, with one connection that is
 * idle. Statements take 1 ms from then on, or what `behaviour` says.
 */
export async function laneOf(
  options: Parameters<typeof harness>[0] = {},
  behaviour: Parameters<typeof harness>[1] = {},
  knownMs = 0.01,
): Promise<Harness> {
  const it = harness({ multiplex: 'auto', ...options }, { ...behaviour, statementMs: knownMs })
  const first = call(it)
  await it.clock.advance(20)
  expect(first.state).toBe('resolved')
  it.driver.options.statementMs = behaviour.statementMs ?? 1
  return it
}

/** How many of these calls have their answer. */
export function answered(calls: readonly Outcome<unknown>[]): number {
  return calls.filter(({ state }) => state === 'resolved').length
}

/** How many statements are in flight on each open connection. */
export function inFlight({ driver }: Harness): number[] {
  return [...driver.open].map((connection) => connection.inFlight)
}

/** Brings a pool to `count` idle connections. */
export async function widen(it: Harness, count: number): Promise<void> {
  const warm = it.pool.warm(count)
  await it.clock.advance(20)
  await warm
}
