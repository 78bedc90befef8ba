import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Harness, harness, watch } from '../../harness.js'

const warnings: { message: string; type?: string; detail?: string }[] = []

beforeEach(() => {
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation(((message: string, options: object) => {
    warnings.push({ message, ...options })
  }) as typeof process.emitWarning)
})

afterEach(() => vi.restoreAllMocks())

/** Acquires and forgets, at one place of this file. */
async function forget({ clock, pool }: Harness, times = 1): Promise<void> {
  for (let each = 0; each < times; each++) {
    const lease = watch(pool.acquire())
    await clock.settle()
    expect(lease.state).toBe('resolved')
  }
}

test('T121: a leak without a listener warns the process once for each place, the caller first', async () => {
  const it = harness({ name: 'orders', max: 3, leakWarningMs: 1_000 })
  await forget(it, 2)
  const other = watch(it.pool.acquire())
  await it.clock.advance(3_000)
  expect(other.state).toBe('resolved')
  expect(warnings).toHaveLength(2)
  expect(warnings[0]).toMatchObject({
    message: expect.stringMatching(
      /^a lease of pool "orders" \(connection 1\) has not been released after \d+ ms; acquired at forget \(.*leak-warning\.test\.ts/,
    ),
    type: 'PoolhouseLeakWarning',
    detail: expect.stringMatching(/^ +at forget \(.*leak-warning\.test\.ts/),
  })
  expect(it.pool.inspect().leaks).toHaveLength(3)
})

test('T121: a listener takes the place of the warning, and gets the frame of the first leak', async () => {
  const it = harness({ leakWarningMs: 1_000 })
  const stacks: (string | undefined)[] = []
  it.pool.on('leak', ({ stack }) => stacks.push(stack))
  await forget(it)
  await it.clock.advance(3_000)
  expect(warnings).toEqual([])
  expect(stacks).toEqual([expect.stringMatching(/^ +at forget \(/)])
})

test('T121: inspect() tells of leaks without values, the newest first', async () => {
  const it = harness({ leakWarningMs: 1_000 })
  const first = watch(it.pool.acquire())
  await it.clock.settle()
  watch(first.value!.query('select $1', ['secret']))
  await it.clock.advance(1_500)
  const second = watch(it.pool.acquire())
  await it.clock.advance(4_000)
  expect(second.state).toBe('resolved')
  const { leaks } = it.pool.inspect()
  expect(leaks.map(({ connection }) => connection)).toEqual([2, 1])
  expect(leaks[1]).toMatchObject({ statement: 'select $1', collected: false })
  expect(leaks[1]!.agoMs).toBeGreaterThan(1_000)
  expect(JSON.stringify(leaks)).not.toContain('secret')
})
