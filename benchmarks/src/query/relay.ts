import { connect, createServer, type Socket } from 'node:net'

// A process of its own, because measuring blocks the one that waits: node … relay.js <url> <ms>
// opens a port that leads to the server of the URL, prints the URL of that port, and passes on what
// comes that many milliseconds later, in both directions.
const [url, ms] = process.argv.slice(2)
const target = new URL(url!)
const delayMs = Number(ms)

function passOn(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on('error', () => from.destroy())
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs))
  from.on('close', () => setTimeout(() => to.destroy(), delayMs))
}

const listener = createServer((client) => {
  const server = connect(Number(target.port), target.hostname)
  passOn(client, server)
  passOn(server, client)
})
listener.listen(0, '127.0.0.1', () => {
  const { port } = listener.address() as { port: number }
  const here = new URL(target)
  here.port = String(port)
  process.stdout.write(here.href)
})
// Ends with the process that has started it.
process.stdin.on('end', () => process.exit(0)).resume()
