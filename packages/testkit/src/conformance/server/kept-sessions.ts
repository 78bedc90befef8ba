import {
  type AdminTarget,
  type OpenAdminSession,
  openAdminSession,
} from '../../cluster/admin-session.js'

/**
 * Sessions of the superuser that are kept for the next statement: a suite asks the server some
 * thousand things, and to open a session takes longer than most of them. Each statement has a
 * session for itself while it runs.
 */
export class KeptSessions {
  readonly #target: AdminTarget
  /** Open, and running nothing. */
  readonly #idle: OpenAdminSession[] = []
  #closed = false

  /** Opens nothing before the first statement. */
  constructor(target: AdminTarget) {
    this.#target = target
  }

  /** Runs one statement and gives its rows. */
  async sql<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const session = this.#takeIdle() ?? (await openAdminSession(this.#target))
    try {
      return await session.query<Row>(text, values)
    } finally {
      if (this.#closed) await session.close()
      else if (session.alive) this.#idle.push(session)
    }
  }

  /** Ends every session; one that is running a statement ends with it. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.splice(0).map((session) => session.close()))
  }

  #takeIdle(): OpenAdminSession | undefined {
    for (let session = this.#idle.pop(); session; session = this.#idle.pop()) {
      if (session.alive) return session
    }
    return undefined
  }
}
