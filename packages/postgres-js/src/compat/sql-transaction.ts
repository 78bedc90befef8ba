import {
  type IsolationLevel,
  isPoolhouseError,
  type Pool,
  type QueryOptions,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { describeValue } from '@poolhouse/core/kit'
import type { BaseSql } from './postgres-query.js'
import type { QueryRunner } from './query-runner.js'
import { type SqlFunction, sqlScope } from './sql-scope.js'
import { targetOver } from './sql-target.js'

/** What a transaction of the routed `sql` needs. */
export interface TransactionParts {
  readonly base: BaseSql
  readonly runner: QueryRunner
  readonly pool: Pool
  /** What the caller of `createRoutedSql` said about all reads. */
  readonly limits: QueryOptions | undefined
}

type Work = (sql: SqlFunction) => unknown

const LEVELS: readonly IsolationLevel[] = ['read committed', 'repeatable read', 'serializable']

/** Runs `sql.begin`: a transaction of the pool, whose `sql` is that of postgres.js. */
export async function beginTransaction(
  parts: TransactionParts,
  modes: unknown,
  work: unknown,
): Promise<unknown> {
  if (typeof work !== 'function') {
    throw new TypeError(
      `sql.begin: the last argument must be a function, got ${describeValue(work)}`,
    )
  }
  const { runner, pool, limits } = parts
  const { readsOnPrimary, options } = readModes(modes, limits)
  try {
    return await pool.transaction(async (tx) => {
      if (readsOnPrimary) await tx.query('set transaction read only')
      return await runScope(parts, tx, work as Work)
    }, options)
  } catch (error) {
    throw runner.translate(error)
  }
}

async function runScope(parts: TransactionParts, tx: Transaction, work: Work): Promise<unknown> {
  const { base, runner } = parts
  const target = targetOver(tx, undefined, undefined)
  let uncaught: { readonly error: unknown } | undefined
  const sql = sqlScope(base, runner, () => target, {
    inOrder: true,
    // As in postgres.js: a transaction with a failed query is not committed, whatever its work made
    // of the error.
    watch: (query) => {
      query.catch((error: unknown) => {
        uncaught ??= { error }
      })
    },
  })
  Object.assign(sql, {
    savepoint: (name: unknown, inner: unknown = name) =>
      tx
        .savepoint((scope) => runScope(parts, scope, inner as Work))
        .catch((error: unknown) => {
          throw runner.translate(error)
        }),
    prepare: () => {
      throw new TypeError(
        'sql.prepare: a routed transaction is committed here, in one phase; run PREPARE TRANSACTION on sql.reserve(), and COMMIT PREPARED wherever you need to',
      )
    },
  })
  try {
    const result = work(sql)
    const settled = await (Array.isArray(result) ? Promise.all(result) : result)
    if (uncaught !== undefined) throw uncaught.error
    return settled
  } catch (error) {
    const isAftermath = isPoolhouseError(error) && error.code === '25P02'
    throw isAftermath && uncaught !== undefined ? uncaught.error : error
  }
}

/** Reads the modes that `sql.begin` takes as words of BEGIN. */
function readModes(
  modes: unknown,
  limits: QueryOptions | undefined,
): { options: TransactionOptions; readsOnPrimary: boolean } {
  if (typeof modes !== 'string') {
    throw new TypeError(`sql.begin: modes must be a string, got ${describeValue(modes)}`)
  }
  let rest = modes
    .toLowerCase()
    .replace(/[\s,]+/g, ' ')
    .trim()
  const take = (words: string): boolean => {
    if (!` ${rest} `.includes(` ${words} `)) return false
    rest = ` ${rest} `.replace(` ${words} `, ' ').trim()
    return true
  }
  // The longer ones first.
  const deferrable = take('not deferrable') ? false : take('deferrable') ? true : undefined
  let isolation = LEVELS.find((level) => take(`isolation level ${level}`))
  // PostgreSQL treats it as this one.
  if (isolation === undefined && take('isolation level read uncommitted')) {
    isolation = 'read committed'
  }
  const isReadOnly = take('read only')
  take('read write')
  if (rest !== '') {
    throw new TypeError(
      `sql.begin: unknown words ${JSON.stringify(rest)} in ${JSON.stringify(modes)}; the modes of BEGIN are "read only", "read write", "isolation level …" and "deferrable"`,
    )
  }
  const readOnly = isReadOnly && limits?.intent !== 'write'
  const { maxStalenessMs, maxStalenessBytes } = limits ?? {}
  return {
    readsOnPrimary: isReadOnly && !readOnly,
    options: {
      isolation,
      deferrable,
      ...(readOnly && { readOnly, maxStalenessMs, maxStalenessBytes }),
    },
  }
}
