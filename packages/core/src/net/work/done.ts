import type { QueryResult } from '../../api/statement.js'

/** How a statement's caller learns of its end. */
export type Done = (error: Error | null, result?: QueryResult<unknown>) => void
