import type { DriverConnection } from '../driver.js'
import { endsSession } from '../outcome/error-meaning.js'
import type { Statement } from '../statement.js'
import { unwatchSignal, watchSignal } from '../watch-signal.js'

/** What the server process behind a session says about itself. A part that the server does not tell is undefined. */
export interface SessionIdentity {
  /** Its process id, as `pg_backend_pid()` says. */
  readonly backendPid: number | undefined
  /** Whether the server has one session for all its connections: PGlite has. */
  readonly oneSession: boolean
}

const UNTOLD: SessionIdentity = { backendPid: undefined, oneSession: false }
// PGlite is PostgreSQL compiled to WebAssembly, in single-user mode. It announces process 42 to each connection.
const PGLITE = /\bPGlite\b|\bwasm(?:32)?\b|\bemscripten\b/i

/**
 * The question, in the simple protocol: one round trip, and nothing is prepared. By schema, because a `search_path` of the role
 * may name another function first.
 */
export const IDENTITY_QUESTION: Statement = Object.freeze({
  text: 'select pg_catalog.pg_backend_pid(), pg_catalog.version()',
  rowMode: 'array',
})

/**
 * Asks the server process behind a fresh session who it is. Resolves with nothing told if the server refuses the question and the
 * session lives on: some servers do not know the function. Rejects if the session ends. `signal` destroys the session.
 */
export function askIdentity(
  connection: DriverConnection,
  signal: AbortSignal,
): Promise<SessionIdentity> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => connection.destroy(signal.reason)
    watchSignal(signal, giveUp)
    connection.run(IDENTITY_QUESTION, (error, result) => {
      unwatchSignal(signal, giveUp)
      if (error === null) resolve(readIdentity(result!.rows))
      else if (endsSession(error)) reject(error)
      else resolve(UNTOLD)
    })
  })
}

function readIdentity(rows: readonly unknown[]): SessionIdentity {
  const [row] = rows
  // The pool's `types` may make anything of an integer.
  const [first, version] = Array.isArray(row) ? (row as unknown[]) : []
  const pid = Number(String(first))
  // Servers that have no processes answer with 0 or -1.
  if (!Number.isSafeInteger(pid) || pid <= 0) return UNTOLD
  return { backendPid: pid, oneSession: PGLITE.test(String(version)) }
}
