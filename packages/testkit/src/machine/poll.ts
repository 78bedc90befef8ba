import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 5

/** How long to wait, and what to say when it was in vain. */
export interface PollOptions {
  /** What is waited for, for the message: "node b to stream from node a". */
  readonly what: string
  /** Longest time to wait, in milliseconds. */
  readonly timeoutMs: number
  /** More for the message, for example the end of a log. */
  readonly details?: () => Promise<string>
}

/** Asks every 5 ms until the answer is true. Throws when the time is up. */
export async function poll(check: () => Promise<boolean>, options: PollOptions): Promise<void> {
  const { what, timeoutMs, details } = options
  const deadline = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > deadline) {
      const more = details ? `\n${await details()}` : ''
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${more}`)
    }
    await sleep(POLL_MS)
  }
}
