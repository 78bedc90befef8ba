import { nodePostgres } from '@poolhouse/node-postgres'
import type { MakeContender } from './contender.js'
import { ours } from './contenders.js'
import { type Makers, mixed, PER_MILLE, point, SLOW, type WholeTask } from './tasks.js'

const CONNECTIONS = [1, 2, 4, 8]
const IN_FLIGHT = [8, 32, 100, 1_000]

/** The shared lane with other limits than its own. */
const limits: Makers = {
  poolhouse: ours(nodePostgres, 'auto'),
  ...Object.fromEntries(
    CONNECTIONS.map((connections): [string, MakeContender] => [
      `poolhouse, connections: ${connections}`,
      ours(nodePostgres, { connections }),
    ]),
  ),
  ...Object.fromEntries(
    IN_FLIGHT.map((maxInFlight): [string, MakeContender] => [
      `poolhouse, maxInFlight: ${maxInFlight}`,
      ours(nodePostgres, { maxInFlight }),
    ]),
  ),
  'poolhouse, multiplex: false': ours(nodePostgres, false),
}

/** What the limits of the shared lane are chosen by, by name. */
export const laneTasks: Readonly<Record<string, WholeTask>> = {
  'lane, 10 callers': point(limits, 10),
  'lane, 100 callers': point(limits, 100),
  'lane, 1000 callers': point(limits, 1_000),
  'lane, 2.8 ms away, 100 callers': point(limits, 100, 2.8),
  ...Object.fromEntries(
    Object.entries(SLOW).map(([name, text]) => [
      `lane, beside ${PER_MILLE[0]! / 10} % of ${name}, 100 callers`,
      mixed(limits, { text, perMille: PER_MILLE[0]! }),
    ]),
  ),
}
