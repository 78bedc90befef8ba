// What the loader of this script keeps open is there before any pool.
const baseline = process.getActiveResourcesInfo()

/** What keeps this process alive beyond what did so at its start, once the sockets that are being closed are gone. */
export async function resources(): Promise<string[]> {
  // Handles leave the list in the phase after the check phase, so two turns of the loop it is.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
  const left = process.getActiveResourcesInfo()
  for (const one of baseline) {
    const index = left.indexOf(one)
    if (index !== -1) left.splice(index, 1)
  }
  // The turn of the loop in which we look.
  return left.filter((one) => one !== 'Immediate')
}
