import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { ClientLine } from '../../../src/compat/client/client-line.js'

/** Work that is over when its test says so. */
function work(): { run: () => Promise<string>; end: (value: string) => void } {
  let end: (value: string) => void = () => {}
  const promise = new Promise<string>((resolve) => {
    end = resolve
  })
  return { run: () => promise, end: (value) => end(value) }
}

test('runs one piece of work at a time, in order', async () => {
  const line = new ClientLine(() => {})
  const begun: number[] = []
  const [first, second] = [work(), work()]
  const results = [first, second].map((each, index) =>
    line.run(() => {
      begun.push(index)
      return each.run()
    }),
  )
  expect([begun, line.busy]).toEqual([[0], true])
  first.end('a')
  expect(await results[0]).toBe('a')
  expect(begun).toEqual([0, 1])
  second.end('b')
  expect(await results[1]).toBe('b')
  expect(line.busy).toBe(false)
})

test('goes on after work that fails', async () => {
  const line = new ClientLine(() => {})
  const failed = line.run(() => Promise.reject(new Error('no')))
  const next = line.run(() => Promise.resolve('yes'))
  await expect(failed).rejects.toThrow('no')
  expect(await next).toBe('yes')
})

test('calls back when nothing is left to do, at once if that is now', async () => {
  const drained: string[] = []
  const line = new ClientLine(() => drained.push('drained'))
  line.whenFree(() => drained.push('at once'))
  const { run, end } = work()
  const first = line.run(run)
  const second = line.run(() => Promise.resolve('b'))
  line.whenFree(() => drained.push('free'))
  expect(drained).toEqual(['at once'])
  end('a')
  await Promise.all([first, second])
  await Promise.resolve()
  expect(drained).toEqual(['at once', 'free', 'drained'])
})

test('calls back each of those who wait until nothing is left to do, in order', async () => {
  const line = new ClientLine(() => {})
  const { run, end } = work()
  const calls: string[] = []
  const first = line.run(run)
  line.whenFree(() => calls.push('one'))
  line.whenFree(() => calls.push('two'))
  end('a')
  await first
  await Promise.resolve()
  expect(calls).toEqual(['one', 'two'])
})

test('rejects what waits, and lets what is under way go on', async () => {
  const line = new ClientLine(() => {})
  const { run, end } = work()
  const first = line.run(run)
  const second = line.run(() => Promise.resolve('b'))
  line.refuse(() => new Error('released'))
  await expect(second).rejects.toThrow('released')
  end('a')
  expect(await first).toBe('a')
})

test('runs each piece of work in the context of its caller', async () => {
  const line = new ClientLine(() => {})
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const runs = ['a', 'b', 'c'].map((name) =>
    context.run(name, () =>
      line.run(async () => {
        await Promise.resolve()
        seen.push(context.getStore())
      }),
    ),
  )
  await Promise.all(runs)
  expect(seen).toEqual(['a', 'b', 'c'])
})

test('rejects work whose turn does not come in time, and never runs it', async () => {
  const line = new ClientLine(() => {})
  const { run, end } = work()
  const first = line.run(run)
  let ran = false
  const second = line.run(
    async () => {
      ran = true
    },
    { timeoutMs: 1, late: () => new Error('late') },
  )
  await expect(second).rejects.toThrow('late')
  end('a')
  expect(await first).toBe('a')
  expect([ran, line.waiting]).toEqual([false, 0])
})
