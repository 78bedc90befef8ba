// Next.js calls this once, when the server starts.
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { shutdownOnSignals } = await import('@poolhouse/manager')
    const { manager } = await import('./lib/db')
    shutdownOnSignals(manager, { exit: false }) // Next.js ends the process itself
  }
}
