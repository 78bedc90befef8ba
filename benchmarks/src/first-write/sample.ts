// A process with one contender at work: eight callers that each insert a row, wait, and send again
// what has failed. Says when the first write after a failover was acknowledged.
import { setTimeout as sleep } from 'node:timers/promises'
import { contenders } from './contenders.js'

/** What the process is told. */
export type Order = 'killed' | 'stop'

/** What it says. Times are those of the machine's monotonic clock, in milliseconds. */
export type Saying =
  | { readonly is: 'working' }
  | { readonly is: 'written'; readonly at: number }
  | { readonly is: 'stopped'; readonly failed: number; readonly uncaught: number }

const CALLERS = 8
const PAUSE_MS = 20
const CLOSE_MS = 5_000

const say = (saying: Saying): void => void process.send!(saying)
const now = (): number => Number(process.hrtime.bigint()) / 1e6

const [, , name, ...urls] = process.argv
type State = 'starting' | 'working' | 'killed' | 'written' | 'stopped'

// Seen through a function, because messages change it between two looks.
let state: State = 'starting'
const isOver = (): boolean => state === 'stopped'
let acknowledged = 0
let failed = 0
let uncaught = 0
// postgres.js throws where no caller can catch it when a host goes away under it.
process.on('uncaughtException', () => {
  uncaught++
})
process.on('unhandledRejection', () => {
  uncaught++
})

const writer = await contenders[name!]!.open(urls)

async function call(caller: number): Promise<void> {
  for (let seq = 0; !isOver(); seq++) {
    for (let isDone = false; !isDone && !isOver(); await sleep(PAUSE_MS)) {
      try {
        await writer.write(`${caller}-${seq}`)
        isDone = true
        noteAcknowledged()
      } catch {
        if (state === 'killed' || state === 'written') failed++
      }
    }
  }
}

function noteAcknowledged(): void {
  acknowledged++
  if (state === 'killed') {
    state = 'written'
    say({ is: 'written', at: now() })
  } else if (state === 'starting' && acknowledged > 10 * CALLERS) {
    state = 'working'
    say({ is: 'working' })
  }
}

async function stop(): Promise<never> {
  state = 'stopped'
  // A call that never settles would keep the client from closing.
  await Promise.race([writer.close(), sleep(CLOSE_MS)]).catch(() => {})
  await new Promise((resolve) => {
    const last: Saying = { is: 'stopped', failed, uncaught }
    process.send!(last, resolve)
  })
  process.exit(0)
}

process.on('message', (order: Order) => {
  if (order === 'killed') state = 'killed'
  else void stop()
})

for (let caller = 0; caller < CALLERS; caller++) void call(caller)
