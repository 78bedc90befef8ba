import { connect, createServer, type Socket } from 'node:net'

// A process of its own, because measuring blocks the one that waits: node … relay.js <url> <ms>
// opens a port that leads to the server of the URL, prints the URL of that port, and passes on what
// comes that many milliseconds later, in both directions, in order, and however much it is. Timers
// know whole milliseconds only, so that waiting is done in naps: what comes is late by a tenth of a
// millisecond at most, for a tenth of a core.
const [url, ms] = process.argv.slice(2)
const target = new URL(url!)
const delayMs = Number(ms)
const NAP_MS = 0.05
const alarm = new Int32Array(new SharedArrayBuffer(4))
// Passed pieces are dropped from the list this many at a time.
const PASSED = 1_024

interface Piece {
  readonly due: number
  pass(): void
}

// In the order in which they are due, as all spend the same time on the way.
const pieces: Piece[] = []
let passed = 0

function delay(pass: () => void): void {
  pieces.push({ due: performance.now() + delayMs, pass })
  if (pieces.length === 1) setImmediate(passOnDue)
}

function passOnDue(): void {
  for (const now = performance.now(); passed < pieces.length; passed++) {
    const piece = pieces[passed]!
    if (piece.due > now) break
    piece.pass()
  }
  if (passed === pieces.length || passed >= PASSED) {
    pieces.splice(0, passed)
    passed = 0
  }
  if (pieces.length === 0) return
  Atomics.wait(alarm, 0, 0, NAP_MS)
  setImmediate(passOnDue)
}

function passOn(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on('error', () => from.destroy())
  from.on('data', (chunk) => delay(() => to.write(chunk)))
  from.on('close', () => delay(() => to.destroy()))
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
