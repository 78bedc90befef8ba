import { connect, createServer, type Socket } from 'node:net'

// A process of its own, as a proxy is: node … balancing-relay.js <url> <url> opens a port for each
// server and one that leads each new connection to the next of them, and prints the URLs of all
// three, the last one being that of the endpoint. So the bytes of all variants pass one relay.
const urls = process.argv.slice(2).map((url) => new URL(url))
let next = 0

function passOn(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
  from.pipe(to)
}

async function open(target: () => URL): Promise<string> {
  const listener = createServer((client) => {
    const { port, hostname } = target()
    const server = connect(Number(port), hostname)
    passOn(client, server)
    passOn(server, client)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const here = new URL(urls[0]!)
  here.port = String((listener.address() as { port: number }).port)
  return here.href
}

const opened = await Promise.all([
  ...urls.map((url) => open(() => url)),
  open(() => urls[next++ % urls.length]!),
])
process.stdout.write(opened.join(' '))
// Ends with the process that has started it.
process.stdin.on('end', () => process.exit(0)).resume()
