import { afterEach, expect, test, vi } from 'vitest'
import { AbortError } from '../../../src/index.js'
import { failAgain, failCall, ownErrorHere } from '../../../src/outcome/fail-call.js'
import { PoolhouseError } from '../../../src/outcome/poolhouse-error.js'

const { stackTraceLimit, prepareStackTrace } = Error

afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
  Error.prepareStackTrace = prepareStackTrace
})

/** A call that fails with this error when no caller is on the stack. */
function call(error: unknown = undefined): Promise<never> {
  return new Promise((resolve) => {
    setImmediate(() => failCall(resolve, error ?? new PoolhouseError('it failed')))
  })
}

async function callerOf(make: () => Promise<unknown>): Promise<unknown> {
  return await make().then(
    () => undefined,
    (error: unknown) => error,
  )
}

function stackOf(error: unknown): string {
  return (error as Error).stack ?? ''
}

test('T82: shows the async functions that await the call, from the innermost to the outermost', async () => {
  async function inner(): Promise<void> {
    await call()
  }
  async function outer(): Promise<void> {
    await inner()
  }
  const stack = stackOf(await callerOf(outer))
  expect(stack).toMatch(
    /^PoolhouseError: it failed; see POOLHOUSE_ERROR\n +at .*inner .*\n +at .*outer /,
  )
})

test.each<[string, (failing: Promise<never>) => Promise<unknown>]>([
  ['Promise.all', (failing) => Promise.all([Promise.resolve(), failing])],
  ['Promise.any', (failing) => Promise.any([failing])],
  ['Promise.race', (failing) => Promise.race([failing, new Promise(() => {})])],
  ['a chain of then', (failing) => failing.then(() => 1).then(() => 2)],
  ['finally', (failing) => failing.finally(() => {})],
  [
    'a promise whose own functions follow it',
    (failing) => new Promise((resolve, reject) => failing.then(resolve, reject)),
  ],
  [
    'an async function that returns it without awaiting it',
    async (failing) => failing as Promise<unknown>,
  ],
])('T82: finds the caller through %s', async (_how, pass) => {
  async function theCaller(): Promise<void> {
    await pass(call())
  }
  const error = await callerOf(theCaller)
  const found = error instanceof AggregateError ? error.errors[0] : error
  expect(stackOf(found)).toContain('theCaller')
})

test('T82: finds the caller that reads an async generator', async () => {
  async function* items(): AsyncGenerator<never> {
    yield await call()
  }
  async function theCaller(): Promise<void> {
    for await (const _ of items());
  }
  expect(stackOf(await callerOf(theCaller))).toContain('theCaller')
})

test('T82: leaves an error that is not of ours as it is', async () => {
  const error = new Error('of the application')
  const { stack } = error
  expect(await callerOf(() => call(error))).toBe(error)
  expect(error.stack).toBe(stack)
  expect(await callerOf(() => call('no error at all'))).toBe('no error at all')
  const thenable = Object.assign(new Error('with then'), { then: () => {} })
  const caught = await call(thenable).catch((reason: unknown) => [reason])
  expect(caught).toEqual([thenable])
})

test('T82: leaves the reason of a signal as it is', async () => {
  const reason = new Error('the user left')
  const { stack } = reason
  const error = await callerOf(() => call(new AbortError(reason, 'no')))
  expect(error).toHaveProperty('cause', reason)
  expect(reason.stack).toBe(stack)
})

test('T82: rejects with a frozen error, whose stack stays', async () => {
  const error = Object.freeze(new PoolhouseError('frozen'))
  expect(await callerOf(() => call(error))).toBe(error)
})

test('T82: works with any Error.stackTraceLimit, and leaves it alone', async () => {
  async function theCaller(): Promise<void> {
    await call()
  }
  for (const limit of [0, 1, 100]) {
    Error.stackTraceLimit = limit
    const stack = stackOf(await callerOf(theCaller))
    expect(stack).toMatch(/^PoolhouseError: it failed/)
    expect(stack.includes('theCaller')).toBe(limit > 0)
    expect(Error.stackTraceLimit).toBe(limit)
  }
  Reflect.set(Error, 'stackTraceLimit', 'many')
  expect(await callerOf(theCaller)).toBeInstanceOf(PoolhouseError)
})

test('T82: leaves the form of the stack to Error.prepareStackTrace of the application', async () => {
  async function theCaller(): Promise<void> {
    await call()
  }
  Error.prepareStackTrace = (error, frames) =>
    `${error.message} < ${frames.map((frame) => frame.getFunctionName()).join(' < ')}`
  expect(stackOf(await callerOf(theCaller))).toMatch(/^it failed; see POOLHOUSE_ERROR < theCaller/)
})

test('T82: a failure that is handled is never reported as unhandled, and one that is not, once', async () => {
  const unhandled = vi.fn()
  const handled = vi.fn()
  const former = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', unhandled)
  process.on('rejectionHandled', handled)
  try {
    await callerOf(() => call(new PoolhouseError('handled')))
    const settled = new Promise<void>((resolve) => {
      resolve()
      failCall(resolve, new PoolhouseError('no one waits any more'))
    })
    await settled
    await new Promise(setImmediate)
    expect(unhandled).not.toHaveBeenCalled()
    const error = new PoolhouseError('not handled')
    const failing = call(error)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(unhandled.mock.calls).toEqual([[error, failing]])
    expect(handled).not.toHaveBeenCalled()
  } finally {
    process.off('unhandledRejection', unhandled)
    process.off('rejectionHandled', handled)
    for (const listener of former) process.on('unhandledRejection', listener)
  }
})

test('T82: rejects in the order of the calls, with what is made on the caller’s stack at once', async () => {
  const order: string[] = []
  const track = (name: string, isHere: boolean): void => {
    const promise = new Promise<never>((resolve) => failCall(resolve, new Error(name), isHere))
    void promise.catch(() => order.push(name))
  }
  track('first', false)
  track('second', false)
  track('here', true)
  await new Promise(setImmediate)
  expect(order).toEqual(expect.arrayContaining(['first', 'second', 'here']))
  expect(order.indexOf('first')).toBeLessThan(order.indexOf('second'))
})

test('T82: one reason for several calls gives each an error with the frames of its own caller', async () => {
  const reason = new PoolhouseError('it is over', { cause: new Error('why') })
  async function oneCaller(): Promise<void> {
    throw ownErrorHere(reason)
  }
  const error = await callerOf(oneCaller)
  expect(error).not.toBe(reason)
  expect(error).toMatchObject({ message: 'it is over; see POOLHOUSE_ERROR', cause: reason.cause })
  expect(stackOf(error)).toMatch(
    /^PoolhouseError: it is over; see POOLHOUSE_ERROR\n +at oneCaller /,
  )
  expect(reason.stack).not.toContain('oneCaller')
})

test('T82: an error that fails several promises of one call keeps the frames of the first', async () => {
  const error = new PoolhouseError('it is over')
  async function first(): Promise<void> {
    await call(error)
  }
  async function second(): Promise<void> {
    await call(error)
  }
  await Promise.allSettled([first(), second()])
  expect(stackOf(error)).toMatch(/at .*first /)
  expect(stackOf(error)).not.toMatch(/at .*second /)
  async function outside(): Promise<void> {
    await new Promise((resolve) => setImmediate(() => failAgain(resolve, error)))
  }
  await callerOf(outside)
  expect(stackOf(error)).toContain('outside')
})
