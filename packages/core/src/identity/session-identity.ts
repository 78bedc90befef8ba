import type { DriverConnection } from '../api/driver.js'
import type { Statement } from '../api/statement.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { type Condition, hasCondition } from '../outcome/conditions.js'
import { endsSession } from '../outcome/error-meaning.js'
import type { ServerIdentity } from '../server/server-identity.js'
import {
  readBoolean,
  readInteger,
  readText,
  readTimeline,
  SERVER_COLUMNS,
} from '../server/server-words.js'
import { LEAVES_NOTHING } from './leaves-nothing.js'
import { OwnQuestion } from './own-settings.js'

/**
 * What the server process behind a session says about itself. A part that the server does not tell
 * is undefined.
 */
export interface SessionIdentity {
  /** Its process id, as `pg_backend_pid()` says. */
  readonly backendPid: number | undefined
  /** Whether the server has one session for all its connections: PGlite has. */
  readonly oneSession: boolean
  /** Which server it belongs to. */
  readonly server: ServerIdentity | undefined
  /** What it answered to the further columns; undefined if it refused the question. */
  readonly columns: readonly unknown[] | undefined
  /** Why it refused the question, if it did. */
  readonly refusal: Error | undefined
}

// PGlite is PostgreSQL compiled to WebAssembly, in single-user mode. It announces process 42 to
// each connection.
const PGLITE = /\bPGlite\b|\bwasm(?:32)?\b|\bemscripten\b/i

/**
 * The beginning of each form of the question. By schema, because a `search_path` of the role may
 * name another function first. In the simple protocol: one round trip, and nothing is prepared.
 */
export const IDENTITY_QUESTION = 'select pg_catalog.pg_backend_pid(), pg_catalog.version()'

// The server's own word, and not `pg_is_in_recovery()`: the same, and no tool that counts probes
// takes this for one.
const IN_RECOVERY = "pg_catalog.current_setting('in_hot_standby', true)"
const { systemId, primaryTimeline, standbyTimeline, receivedTimeline, startedAt, address, port } =
  SERVER_COLUMNS
const WHERE = `${startedAt}, ${address}, ${port}, ${IN_RECOVERY}`

/**
 * The forms of the question, the first of which says everything, and how many columns each has
 * besides the process and the version. Each later one leaves out what services hide: first the
 * functions of the control file and of the log, then all that concerns the server. A function that
 * may not be called fails a statement even in a branch that is not taken.
 */
const FORMS: readonly { readonly text: string; readonly columns: number }[] = [
  {
    text: `${IDENTITY_QUESTION}, ${WHERE}, ${systemId}, case when ${IN_RECOVERY} OPERATOR(pg_catalog.=) 'on' then greatest(${standbyTimeline}, ${receivedTimeline}) else ${primaryTimeline} end`,
    columns: 6,
  },
  { text: `${IDENTITY_QUESTION}, ${WHERE}`, columns: 4 },
  { text: IDENTITY_QUESTION, columns: 0 },
]
/** Process and version. */
const OWN = 2

/**
 * Asks fresh sessions who they are. Remembers which form of the question is understood: one pool
 * has one kind of server.
 */
export class IdentityQuestion {
  #form = 0
  #question = new OwnQuestion()

  /** The next session may lead to a server of another kind. */
  forget(): void {
    this.#form = 0
    this.#question = new OwnQuestion()
  }

  /**
   * Asks the server process behind a fresh session who it is, and in the same round trip whatever
   * further columns say, which begin with a comma and change nothing. They are given in one or two
   * `wordings`; the second one is tried where the first is refused. A form of the question that is
   * refused for good costs a round trip of one session, and no later one. Resolves with nothing
   * told if all of them are refused and the session lives on. Rejects if the session ends. `signal`
   * destroys the session.
   */
  async ask(
    connection: DriverConnection,
    signal: AbortSignal,
    wordings: readonly string[] = [''],
  ): Promise<SessionIdentity> {
    let refusal: Error | undefined
    for (let form = this.#form; form < FORMS.length; form++) {
      const { text, columns } = FORMS[form]!
      for (const wording of wordings) {
        try {
          const answer = await this.#question.ask(text + wording, (question) =>
            askOnce(connection, signal, question),
          )
          this.#form = form
          return readIdentity(answer, columns)
        } catch (error) {
          if (endsSession(error)) throw error
          refusal = error as Error
        }
      }
      // Anything else is no reason to know less of the sessions to come.
      if (!hasCondition(refusal, ...HIDDEN)) break
    }
    return {
      backendPid: undefined,
      oneSession: false,
      server: undefined,
      columns: undefined,
      refusal,
    }
  }
}

// What a server says of a function that it hides, or does not have. An Aurora writer without
// logical replication answers pg_current_wal_lsn() with 55000.
const HIDDEN: readonly Condition[] = [
  'feature_not_supported',
  'object_not_in_prerequisite_state',
  'insufficient_privilege',
  'undefined_function',
  'undefined_table',
  'undefined_column',
  'undefined_object',
  'syntax_error',
]

function askOnce(
  connection: DriverConnection,
  signal: AbortSignal,
  text: string,
): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => connection.destroy(signal.reason)
    watchSignal(signal, giveUp)
    connection.run(
      { text, rowMode: 'array', [LEAVES_NOTHING]: true } as Statement,
      (error, result) => {
        unwatchSignal(signal, giveUp)
        if (error === null) resolve(result!.rows)
        else reject(error)
      },
    )
  })
}

function readIdentity(rows: readonly unknown[], told: number): SessionIdentity {
  const [row] = rows
  const columns = Array.isArray(row) ? (row as unknown[]) : []
  // The pool's `types` may make anything of an integer.
  const [first, version] = columns
  const pid = Number(String(first))
  // Servers that have no processes answer with 0 or -1.
  const isPid = Number.isSafeInteger(pid) && pid > 0
  const oneSession = isPid && PGLITE.test(String(version))
  const server = columns.slice(OWN, OWN + told)
  return {
    backendPid: isPid ? pid : undefined,
    oneSession,
    // Every PGlite gives the same answer: it was never started, and no `initdb` made its folder.
    server: oneSession ? undefined : readServer(server),
    columns: columns.slice(OWN + told),
    refusal: undefined,
  }
}

function readServer(columns: readonly unknown[]): ServerIdentity | undefined {
  const [startedAt, address, port, inRecovery, systemId, timeline] = columns
  const recovers = readBoolean(inRecovery)
  if (recovers === undefined) return undefined
  return Object.freeze({
    systemId: readText(systemId),
    timeline: readTimeline(timeline),
    startedAt: readText(startedAt),
    address: readText(address),
    port: readInteger(port),
    inRecovery: recovers,
  })
}
