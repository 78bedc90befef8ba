/**
 * A step of the run has not ended in its time. It may still end later, so nothing that follows can
 * be relied on: the run is over.
 */
export class StoodStillError extends Error {
  override readonly name = 'StoodStillError'
}

/** Settles as `work` does; rejects with a `StoodStillError` when that takes more than `ms`. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new StoodStillError(`waited ${ms / 1_000} s in vain for ${what}`)
    timer = setTimeout(() => reject(error), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
