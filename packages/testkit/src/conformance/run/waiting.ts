import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 2
const LIMIT_MS = 4_000
const TICK_MS = 5

/** By how much the limits of everything that is waited for are stretched; of each case its own. */
const patience = new AsyncLocalStorage<number>()

/**
 * Runs `work` with limits that are so many times as long. Nothing passes because of them; what
 * never comes is known later.
 */
export function withPatience<R>(factor: number, work: () => R): R {
  return patience.run(factor, work)
}

function stretched(limitMs: number): number {
  return limitMs * (patience.getStore() ?? 1)
}

/**
 * Resolves when the condition holds. Rejects at the limit (default 4 s), naming what was waited
 * for.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const limit = stretched(limitMs)
  const deadline = performance.now() + limit
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limit} ms in vain for ${what}`)
    await sleep(POLL_MS)
  }
}

/**
 * Settles as `promise` does. Rejects after `limitMs`, naming what was waited for; the promise is
 * then left to itself.
 */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = stretched(limitMs)
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limit} ms`)), limit)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * What was begun at `startedAt` must have taken at least `leastMs`, less a tick of the timers, and
 * at most `mostMs`. The upper limit only tells a deadline that was kept from one that was not, so
 * it is generous: a busy machine takes its time.
 */
export function assertTook(startedAt: number, leastMs: number, mostMs: number = LIMIT_MS): void {
  const took = performance.now() - startedAt
  const most = stretched(mostMs)
  assert.ok(
    took >= leastMs - TICK_MS && took < most,
    `it took ${took} ms, not ${leastMs} to ${most}`,
  )
}

/** Lets the event loop turn: what is ready now has been handled when it resolves. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
