// What the loader of this script keeps open is there before any pool.
const baseline = process.getActiveResourcesInfo()

// postgres.js takes a timer of 0 ms to reject what is queued in an instance that is over: on a busy
// machine it fires after some turns.
const PATIENCE_MS = 50

/**
 * What keeps this process alive beyond what did so at its start, once the sockets that are being
 * closed are gone.
 */
export async function resources(): Promise<string[]> {
  const since = performance.now()
  // Handles leave the list in the phase after the check phase, so two turns of the loop it is.
  await turn()
  for (;;) {
    await turn()
    const left = beyondBaseline()
    if (left.length === 0 || performance.now() - since > PATIENCE_MS) return left
  }
}

function beyondBaseline(): string[] {
  const left = process.getActiveResourcesInfo()
  for (const one of baseline) {
    const index = left.indexOf(one)
    if (index !== -1) left.splice(index, 1)
  }
  // The turn of the loop in which we look.
  return left.filter((one) => one !== 'Immediate')
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
