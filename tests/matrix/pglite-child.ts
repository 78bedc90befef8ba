// Run as a process of its own, because PGlite computes in the thread that it is called from: the
// socket server of PGlite, and its own way past that for the texts that the parent sends.
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

/** What the parent sends: a statement. */
export interface PgliteRequest {
  readonly id: number
  readonly text: string
  readonly values: readonly unknown[] | undefined
}

/** What the child sends: where it listens, or the answer to a statement. */
export type PgliteReply =
  | { readonly listening: string; readonly version: string }
  | { readonly id: number; readonly rows?: readonly unknown[]; readonly error?: string }

const db = await PGlite.create()
const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: 1 })
await server.start()
const { rows } = await db.query<{ server_version: string }>('show server_version')
const reply = (message: PgliteReply): void => void process.send!(message)

process.on('message', ({ id, text, values }: PgliteRequest) => {
  const asked =
    values === undefined
      ? db.exec(text).then((results) => results.at(-1)?.rows ?? [])
      : db.query(text, [...values]).then((result) => result.rows)
  asked.then(
    (found) => reply({ id, rows: found }),
    (error: Error) => reply({ id, error: error.message }),
  )
})
process.on('disconnect', () => process.exit())
reply({ listening: server.getServerConn(), version: rows[0]!.server_version })
