import type { Sample } from '../interleave.js'
import type { MakePool } from './variants.js'

const WARM_UP = 20_000
const CYCLES = 200_000

/** One client after the other is taken and given back, without a query in between. */
export async function checkOuts(make: MakePool, url: string): Promise<Sample> {
  const pool = make({ url, max: 1, onConnect: () => {} })
  const cycles = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done++) (await pool.connect()).release()
  }
  await cycles(WARM_UP)
  const before = process.cpuUsage()
  await cycles(CYCLES)
  const { user, system } = process.cpuUsage(before)
  await pool.end()
  return { 'CPU µs': (user + system) / CYCLES }
}
