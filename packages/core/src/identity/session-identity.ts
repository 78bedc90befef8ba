import type { DriverConnection } from '../driver.js'
import { endsSession } from '../outcome/error-meaning.js'
import type { Statement } from '../statement.js'
import { unwatchSignal, watchSignal } from '../watch-signal.js'
import { LEAVES_NOTHING } from './leaves-nothing.js'

/** What the server process behind a session says about itself. A part that the server does not tell is undefined. */
export interface SessionIdentity {
  /** Its process id, as `pg_backend_pid()` says. */
  readonly backendPid: number | undefined
  /** Whether the server has one session for all its connections: PGlite has. */
  readonly oneSession: boolean
  /** What it answered to the further columns; undefined if it refused the question. */
  readonly columns: readonly unknown[] | undefined
  /** Why it refused the question, if it did. */
  readonly refusal: Error | undefined
}

// PGlite is PostgreSQL compiled to WebAssembly, in single-user mode. It announces process 42 to each connection.
const PGLITE = /\bPGlite\b|\bwasm(?:32)?\b|\bemscripten\b/i
/** Columns of the question itself. */
const OWN = 2

/**
 * The question, in the simple protocol: one round trip, and nothing is prepared. By schema, because a `search_path` of the role
 * may name another function first.
 */
export const IDENTITY_QUESTION: Statement = Object.freeze({
  text: 'select pg_catalog.pg_backend_pid(), pg_catalog.version()',
  rowMode: 'array',
})

/**
 * Asks the server process behind a fresh session who it is, and in the same round trip whatever `columns` say, which begin with a
 * comma and change nothing. Resolves with nothing told if the server refuses the question and the session lives on: some servers do not know the function.
 * Rejects if the session ends. `signal` destroys the session.
 */
export function askIdentity(
  connection: DriverConnection,
  signal: AbortSignal,
  columns = '',
): Promise<SessionIdentity> {
  const { text, rowMode } = IDENTITY_QUESTION
  const question =
    columns === '' ? IDENTITY_QUESTION : { text: text + columns, rowMode, [LEAVES_NOTHING]: true }
  return new Promise((resolve, reject) => {
    const giveUp = (): void => connection.destroy(signal.reason)
    watchSignal(signal, giveUp)
    connection.run(question, (error, result) => {
      unwatchSignal(signal, giveUp)
      if (error === null) resolve(readIdentity(result!.rows))
      else if (endsSession(error)) reject(error)
      else resolve({ backendPid: undefined, oneSession: false, columns: undefined, refusal: error })
    })
  })
}

function readIdentity(rows: readonly unknown[]): SessionIdentity {
  const [row] = rows
  const columns = Array.isArray(row) ? (row as unknown[]) : []
  // The pool's `types` may make anything of an integer.
  const [first, version] = columns
  const pid = Number(String(first))
  // Servers that have no processes answer with 0 or -1.
  const isPid = Number.isSafeInteger(pid) && pid > 0
  return {
    backendPid: isPid ? pid : undefined,
    oneSession: isPid && PGLITE.test(String(version)),
    columns: columns.slice(OWN),
    refusal: undefined,
  }
}
