import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 2
const LIMIT_MS = 4_000

/** Resolves when the condition holds. Rejects after 4 s, naming what was waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`)
    await sleep(POLL_MS)
  }
}

/** Settles as `promise` does. Rejects after `limitMs`, naming what was waited for; the promise is then left to itself. */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Lets the event loop turn: what is ready now has been handled when it resolves. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
