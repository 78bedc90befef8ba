import type { PoolClient } from 'pg'

type Answer = (error: unknown, result: unknown) => void

/**
 * Runs what a pool was asked on a client, and resolves with its result, as a pool of `pg` does: a
 * callback in the config, which is for clients, is not called.
 */
export function queryOn(client: PoolClient, first: unknown, second: unknown): Promise<unknown> {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  const values = typeof second === 'function' ? undefined : second
  return new Promise((resolve, reject) => {
    const answer: Answer = (error, result) => {
      if (error) reject(error)
      else resolve(result)
    }
    query(first, values, answer)
  })
}
