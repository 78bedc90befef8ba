import type { QueryOptions } from '@poolhouse/core'
import { createManager, type Manager, type NamedDatabase } from '@poolhouse/manager'
import type { Target } from '../target/target.js'

/** A manager of the databases of a command, which are asked something each second. */
export interface LiveManager {
  /** The manager. */
  readonly manager: Manager
  /** Asks once more, now; resolves when all have answered or failed. */
  beat(): Promise<void>
  /** Ends it. */
  close(): Promise<void>
}

const PERIOD_MS = 1_000
const CLOSE_MS = 1_000

/**
 * Makes a manager of these databases. A `select 1` goes to the primary and to a replica of each
 * once a second, so that there is something to see.
 */
export function liveManager({ drivers, config }: Target, timeoutMs: number): LiveManager {
  const manager: Manager = createManager({ drivers, ...config })
  const names = Object.keys(config.databases)
  const options: QueryOptions = { timeoutMs }
  const beat = async (): Promise<void> => {
    const pools = names.flatMap((name) => {
      // A configuration holds no pools that were made elsewhere.
      const db = manager.database(name) as NamedDatabase
      return [db, db.reader()]
    })
    // What fails shows in what is looked at.
    await Promise.allSettled(pools.map((pool) => pool.query('select 1', [], options)))
  }
  void beat()
  const timer = setInterval(() => void beat(), PERIOD_MS)
  return {
    manager,
    beat,
    close: async () => {
      clearInterval(timer)
      await manager.close({ timeoutMs: CLOSE_MS })
    },
  }
}
