// One process of the application. It is asked over IPC, as a web server is asked over HTTP, and
// knows nothing of the other process.
import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { withReplicas } from '@poolhouse/read-replicas'
import type { Answer, Request } from './messages.js'

const driver = nodePostgres()
const [primary, ...replicas] = process.argv
  .slice(2)
  .map((connection, node) => createPool({ driver, connection, name: 'abc'[node]! }))
const db = withReplicas(primary!, replicas)

async function answer(request: Request): Promise<Answer> {
  switch (request.kind) {
    case 'order': {
      const session = db.session()
      await session.query('insert into orders(id) values ($1)', [request.id])
      // In an application it travels in a cookie, a header or a job.
      return { kind: 'ordered', token: session.token }
    }
    case 'look': {
      const { id, token } = request
      const reader = token === undefined ? db.reader() : db.session(token).reader()
      const { rows, node } = await reader.query('select 1 from orders where id = $1', [id])
      return { kind: 'looked', found: rows.length > 0, node: node! }
    }
    case 'ready':
      await db.ready()
      return { kind: 'ready' }
  }
}

process.on('message', (request: Request) => {
  answer(request).then(
    (result) => process.send!(result),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => void db.close())
