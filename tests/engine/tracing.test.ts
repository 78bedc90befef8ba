import { tracingChannel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

interface Trace {
  readonly channel: string
  readonly phase: string
  readonly pool: string
  readonly statement?: string
  readonly error?: Error
}

/** Everything that the tracing channels of one kind say until the end of the test. */
function traces(kind: 'query' | 'acquire' | 'connect'): Trace[] {
  const seen: Trace[] = []
  const note = (phase: string) => (message: object) => {
    seen.push({ ...(message as Trace), channel: kind, phase })
  }
  const channel = tracingChannel(`poolhouse:${kind}`)
  const handlers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  }
  channel.subscribe(handlers)
  onTestFinished(() => void channel.unsubscribe(handlers))
  return seen
}

const phases = (seen: readonly Trace[]): string[] => seen.map(({ phase }) => phase)
const WHOLE = ['start', 'end', 'asyncStart', 'asyncEnd']

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe('the tracing channels', () => {
    it('tell of each query with its pool and text, and never carry a value or the password', async () => {
      const queries = traces('query')
      const pool = openPool({ max: 1 })
      await pool.query('select $1::text as secret', ['hunter2'])
      expect(phases(queries)).toEqual(WHOLE)
      expect(queries[0]).toMatchObject({ pool: 'test', statement: 'select $1::text as secret' })
      const { result: _result, ...start } = queries[0] as Trace & { result?: unknown }
      expect(JSON.stringify(start)).not.toContain('hunter2')
      expect(JSON.stringify(queries.map((q) => Object.keys(q)))).not.toContain('values')
    })

    it('tell of a query’s error, the same as its caller gets', async () => {
      const queries = traces('query')
      const error = await failureOf(openPool().query('select 1/0'))
      expect(queries.find(({ phase }) => phase === 'error')?.error).toBe(error)
    })

    it('tell of the queries of leases and transactions, of acquires and of connects', async () => {
      const [queries, acquires, connects] = [traces('query'), traces('acquire'), traces('connect')]
      const pool = openPool({ max: 1 })
      await pool.use((lease) => lease.query('select 1'))
      expect(phases(connects)).toEqual(WHOLE)
      expect(phases(acquires)).toEqual(WHOLE)
      expect(phases(queries)).toEqual(WHOLE)
      await pool.transaction((tx) => tx.query('select 2'))
      const texts = queries.filter(({ phase }) => phase === 'start').map((query) => query.statement)
      // BEGIN goes out with the first statement, whose call was there before.
      expect(texts).toEqual(['select 1', 'select 2', 'BEGIN', 'COMMIT'])
      expect(phases(connects)).toEqual(WHOLE)
    })

    it('tell of a connect that failed', async () => {
      const connects = traces('connect')
      const connection = server.url.replace(/\/[^/]*$/, '/nowhere')
      const error = await failureOf(openPool({ connection }).query('select 1'))
      expect(error).toMatchObject({ sqlState: '3D000' })
      expect(connects.find(({ phase }) => phase === 'error')?.error).toMatchObject({
        sqlState: '3D000',
      })
    })
  })
})
