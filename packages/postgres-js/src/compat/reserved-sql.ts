import type { Lease, Pool, QueryOptions } from '@poolhouse/core'
import type { BaseSql } from './postgres-query.js'
import type { QueryRunner } from './query-runner.js'
import { type SqlFunction, sqlScope } from './sql-scope.js'
import { type SqlTarget, targetOver } from './sql-target.js'
import type { StatementWriter } from './write-statement.js'

/** What `sql.reserve` needs. */
export interface ReservedParts {
  readonly base: BaseSql
  readonly runner: QueryRunner
  readonly writer: StatementWriter
  readonly pool: Pool
  /** Where lone statements of a lazy reservation run. */
  readonly target: SqlTarget
  readonly limits: QueryOptions | undefined
}

/** Reserves a connection of the primary. */
export async function reserveEagerly(parts: ReservedParts): Promise<SqlFunction> {
  const { base, runner, pool } = parts
  const lease = await pool.acquire().catch((error: unknown) => {
    throw runner.translate(error)
  })
  const target = targetOf(lease)
  const sql = sqlScope(base, runner, () => target, { inOrder: true })
  return Object.assign(sql, { release: () => lease.release() })
}

/** Where the queries of a reserved connection run. */
export function targetOf(lease: Lease): SqlTarget {
  return targetOver(lease, undefined, (work) => work(lease))
}
