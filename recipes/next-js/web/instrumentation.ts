// Next.js calls this once, when the server starts.
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { shutdownOnSignals } = await import('@poolhouse/manager')
    const { manager } = await import('./lib/db')
    // Next.js ends the process itself, when the requests under way are answered.
    shutdownOnSignals(manager, { exit: false, delayMs: 5_000 })
  }
}
