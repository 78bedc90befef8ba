import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { addressOf, type CornerOptions, type Ground } from './ground.js'

/** PGlite behind its socket server, which takes one client at a time. */
export async function startPglite(options: CornerOptions): Promise<Ground> {
  const db = await PGlite.create()
  const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: 1 })
  await server.start()
  const url = `postgres://postgres@${server.getServerConn()}/postgres`
  const { rows } = await db.query<{ server_version: string }>('show server_version')
  return {
    versions: {
      PGlite: '0.5.14',
      'pglite-socket': '0.2.17',
      PostgreSQL: rows[0]!.server_version,
      'Node.js': process.versions.node,
    },
    url,
    options,
    server: {
      ...addressOf(url),
      user: 'postgres',
      password: '',
      database: 'postgres',
      socketDirectory: '/nowhere',
      replica: undefined,
      sql: async <Row>(text: string, values?: readonly unknown[]) => {
        if (values === undefined) return (await db.exec(text)).at(-1)!.rows as Row[]
        return (await db.query(text, [...values])).rows as Row[]
      },
      async [Symbol.asyncDispose]() {},
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await db.close()
    },
  }
}
