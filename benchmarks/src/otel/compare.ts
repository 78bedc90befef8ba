import { context, SpanKind, trace } from '@opentelemetry/api'
import { createPool, type Pool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { median, type Sample } from '../interleave.js'
import type { MakeWay } from './ways.js'

const CALLERS = 100
const CONNECTIONS = 10
const ROWS = 10_000
const WARM_UP_CALLS = 30_000
const LONGEST_WARM_UP_MS = 15_000
const TURN_MS = 300
const PAIRS = 12
const SPANS = 50_000
const TEXT = 'select balance from accounts where id = $1'

interface Turn {
  readonly count: number
  readonly perSecond: number
  /** CPU of one call, in microseconds. */
  readonly cpu: number
}

/**
 * Point queries of 100 callers on one pool, with and without its instrumentation in turns of a
 * third of a second, and between them a bare loop that makes the same spans.
 */
export async function compare(make: MakeWay, url: string, makesSpans: boolean): Promise<Sample> {
  const watch = make()
  await using pool = createPool({ driver: nodePostgres(), connection: url, max: CONNECTIONS })
  const instrumented = async (ms: number): Promise<Turn> => {
    const instrumentation = watch(pool)
    const turn = await calls(pool, ms)
    instrumentation.stop()
    return turn
  }
  await warmUp(() => calls(pool, TURN_MS))
  await warmUp(() => instrumented(TURN_MS))
  if (makesSpans) bareSpan()
  const rates: number[] = []
  const more: number[] = []
  const bare: number[] = []
  for (let pair = 0; pair < PAIRS; pair++) {
    const first = pair % 2 === 0 ? await calls(pool, TURN_MS) : await instrumented(TURN_MS)
    const second = pair % 2 === 0 ? await instrumented(TURN_MS) : await calls(pool, TURN_MS)
    const [plain, watched] = pair % 2 === 0 ? [first, second] : [second, first]
    rates.push(watched.perSecond / plain.perSecond)
    more.push(watched.cpu - plain.cpu)
    if (makesSpans) bare.push(bareSpan())
  }
  const sample = { 'calls/s ÷ plain': median(rates), 'CPU µs more': median(more) }
  if (!makesSpans) return sample
  const span = median(bare)
  return { ...sample, 'bare span µs': span, 'CPU more ÷ bare span': median(more) / span }
}

/** Takes turns until the code is compiled, which takes a busy machine longer. */
async function warmUp(turn: () => Promise<Turn>): Promise<void> {
  const latest = performance.now() + LONGEST_WARM_UP_MS
  for (let made = 0; made < WARM_UP_CALLS && performance.now() < latest; ) {
    made += (await turn()).count
  }
}

async function calls(pool: Pool, ms: number): Promise<Turn> {
  let count = 0
  const before = process.cpuUsage()
  const start = performance.now()
  const end = start + ms
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let key = caller; performance.now() < end; key = (key * 31 + 7) % ROWS) {
        await pool.query(TEXT, [key])
        count++
      }
    }),
  )
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(before)
  return { count, perSecond: count / seconds, cpu: (user + system) / count }
}

/** CPU of one span as that of a call, in microseconds. */
function bareSpan(): number {
  const tracer = trace.getTracer('bare')
  const attributes = {
    'db.system.name': 'postgresql',
    'db.namespace': 'app',
    'server.address': '127.0.0.1',
    'server.port': 5_433,
    'db.client.connection.pool.name': '127.0.0.1:5433/app',
    'db.query.summary': 'SELECT accounts',
    'db.query.text': TEXT,
  }
  const before = process.cpuUsage()
  for (let made = 0; made < SPANS; made++) {
    const options = { kind: SpanKind.CLIENT, attributes }
    const span = tracer.startSpan('SELECT accounts', options, context.active())
    span.setAttribute('db.response.returned_rows', 1)
    span.end()
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / SPANS
}
