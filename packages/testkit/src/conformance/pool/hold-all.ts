import type { Pool } from '@poolhouse/core'

/** Takes the only connection of a pool. Resolves with what lets go of it. */
export async function holdAll(pool: Pool): Promise<() => Promise<void>> {
  let letGo = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  let begun = (): void => undefined
  const began = new Promise<void>((resolve) => {
    begun = resolve
  })
  const held = pool.transaction(async (tx) => {
    await tx.query('select 1')
    begun()
    await gate
  })
  // A case that ends early does not wait for it.
  held.catch(() => undefined)
  await Promise.race([began, held])
  return async () => {
    letGo()
    await held
  }
}
