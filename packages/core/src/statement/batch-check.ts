import type { PoolerInEffect } from '../api/pooler.js'
import type { Statement } from '../api/statement.js'
import { setStatementIndex } from '../outcome/database-error.js'
import { COPIES, READ_IN_TWO_WAYS } from '../sql/trait-flags.js'
import { copyMisfit } from './copy-text.js'
import { placeOf, traitsInBatch } from './statement-list.js'
import { throughPooler } from './through-pooler.js'

/** Statements of a batch as they may be sent, each with the traits of its text. */
interface CheckedBatch {
  readonly statements: readonly Statement[]
  readonly traits: readonly number[]
}

/**
 * Checks all statements of a batch before the first is sent. Throws for the first that cannot be
 * sent: `TypeError` for a COPY whose data goes through the connection, `SessionStateError` for one
 * that cannot pass the pooler.
 */
export function checkBatch(
  pool: string,
  pooler: PoolerInEffect | undefined,
  given: readonly Statement[],
): CheckedBatch {
  const traits = given.map(({ text }) => traitsInBatch(text))
  const statements = given.map((statement, index) => {
    const place = placeOf('batch', index)
    if ((traits[index]! & COPIES) !== 0) throw copyMisfit(place, statement.text)
    try {
      return passed(pool, pooler, statement, traits[index]!)
    } catch (error) {
      setStatementIndex(error as Error, index)
      throw error
    }
  })
  return { statements, traits }
}

function passed(
  pool: string,
  pooler: PoolerInEffect | undefined,
  statement: Statement,
  traits: number,
): Statement {
  if ((traits & READ_IN_TWO_WAYS) !== 0) throughPooler(pool, pooler, statement, true)
  return throughPooler(pool, pooler, statement)
}
