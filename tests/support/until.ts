const POLL_MS = 5
// A child of this process has needed 10 s to load its sources on a machine with a load of 12.
const LIMIT_MS = 45_000

/**
 * Resolves when the condition holds. Checks every 5 ms; rejects after 45 s with `what`, which
 * defaults to the source of the condition.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = String(condition),
): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${LIMIT_MS} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
