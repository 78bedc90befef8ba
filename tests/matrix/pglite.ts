import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { addressOf, type CornerOptions, type Ground } from './ground.js'
import type { PgliteReply, PgliteRequest } from './pglite-child.js'

const CHILD = fileURLToPath(new URL('pglite-child.ts', import.meta.url))
/** Versions of the workspace's catalog. */
const VERSIONS = { PGlite: '0.5.14', 'pglite-socket': '0.2.17' }

/** PGlite behind its socket server, which takes one client at a time. */
export async function startPglite(options: CornerOptions): Promise<Ground> {
  const child = fork(CHILD)
  const [ready] = (await once(child, 'message')) as [PgliteReply]
  if (!('listening' in ready)) throw new Error('PGlite answered before it listened')
  const url = `postgres://postgres@${ready.listening}/postgres`
  let asked = 0
  const sql = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> => {
    const request: PgliteRequest = { id: ++asked, text, values }
    const answer = new Promise<Row[]>((resolve, reject) => {
      const hear = (reply: PgliteReply): void => {
        if (!('id' in reply) || reply.id !== request.id) return
        child.off('message', hear)
        if (reply.error === undefined) resolve([...reply.rows!] as Row[])
        else reject(new Error(reply.error))
      }
      child.on('message', hear)
    })
    child.send(request)
    return await answer
  }
  return {
    versions: { ...VERSIONS, PostgreSQL: ready.version, 'Node.js': process.versions.node },
    url,
    options,
    server: {
      ...addressOf(url),
      user: 'postgres',
      password: '',
      database: 'postgres',
      socketDirectory: '/nowhere',
      replica: undefined,
      sql,
      async [Symbol.asyncDispose]() {},
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}
