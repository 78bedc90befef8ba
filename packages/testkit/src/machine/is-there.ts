import { access } from 'node:fs/promises'

/** Whether there is something at a path that can be reached, and be used in this mode. */
export function isThere(path: string, mode?: number): Promise<boolean> {
  return succeeds(access(path, mode))
}

/** Whether a promise resolves. */
export function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
