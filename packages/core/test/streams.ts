import { expect } from 'vitest'
import type { Harness } from './harness.js'

/** Rows that count from 0. */
export function numbers(count: number): { n: number }[] {
  return Array.from({ length: count }, (_, index) => ({ n: index }))
}

/** Reads a stream to its end. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of stream) found.push(one)
  return found
}

/**
 * Expects the pool's only connection to be idle, in no transaction, and used as a driver allows.
 */
export async function expectUsable(it: Harness): Promise<void> {
  await it.clock.settle()
  expect(it.pool.stats()).toMatchObject({ total: 1, idle: 1, leased: 0 })
  expect(it.session().transactionStatus()).toBe('idle')
  expect(it.driver.violations).toEqual([])
}
