/**
 * Collects unhandled errors of this process, until it is stopped. Test runners do the same, and
 * fail; here it becomes a part of the verdict.
 */
export function watchUnhandled(into: unknown[]): () => void {
  const note = (reason: unknown): void => {
    into.push(reason)
  }
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  return () => {
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  }
}
