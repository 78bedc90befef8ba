// Run as a process of its own, to be stopped: a port whose connections are never accepted.
import { createServer } from 'node:net'
import { say } from './say.js'

const server = createServer()
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  say(`port ${(server.address() as { port: number }).port}`)
})
