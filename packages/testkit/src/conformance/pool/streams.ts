import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { failureOf } from '../run/expectations.js'
import { onPool, onTable, type PoolArea } from './pool-context.js'

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of source) all.push(each)
  return all
}

const textOf = (pieces: Uint8Array[]): string => Buffer.concat(pieces).toString()

/** Rows and data that come and go piece by piece. */
export const streams: PoolArea = {
  area: 'streams',
  needs: ['stream'],
  cases: [
    {
      title: 'a stream gives all rows in order and then gives its connection back',
      run: onPool({ max: 1 }, async (pool) => {
        for (const batchSize of [1, 7, 1_000]) {
          const text = 'select n from generate_series(1, $1::int) as n'
          const rows = await collect(pool.stream<{ n: number }>(text, [50], { batchSize }))
          assert.deepEqual(
            rows.map(({ n }) => n),
            Array.from({ length: 50 }, (_, index) => index + 1),
          )
        }
        const arrays = pool.stream({ text: 'select 1, 2', rowMode: 'array' })
        assert.deepEqual(await collect(arrays), [[1, 2]])
        await pool.query('select 1')
        assert.equal(pool.stats().leased, 0)
      }),
    },
    {
      title: 'a loop that is left closes its stream, and its connection serves on',
      run: onPool({ max: 1 }, async (pool, test) => {
        const pid = await test.pidOf(pool)
        for await (const _row of pool.stream('select generate_series(1, 1000000)')) break
        await failureOf(
          (async () => {
            for await (const _row of pool.stream('select generate_series(1, 1000000)')) {
              throw new Error('enough')
            }
          })(),
          { message: 'enough' },
        )
        assert.equal(await test.pidOf(pool), pid)
      }),
    },
    {
      title: 'a stream that fails midway rejects once, and its connection serves on',
      run: onPool({ max: 1 }, async (pool) => {
        const rows: unknown[] = []
        const reading = (async () => {
          const text = 'select 1 / (150 - n) as n from generate_series(1, 500) as n'
          for await (const row of pool.stream(text, [], { batchSize: 10 })) rows.push(row)
        })()
        await failureOf(reading, { name: 'DatabaseError', code: '22012' })
        assert.ok(rows.length >= 140 && rows.length < 150, `${rows.length} rows came`)
        await pool.query('select 1')
      }),
    },
    {
      title: 'F54: a stream is ended by its signal, and its connection serves on',
      run: onPool({ max: 1 }, async (pool, test) => {
        const abort = new AbortController()
        const text = 'select pg_sleep(20)'
        const reading = failureOf(collect(pool.stream(text, [], { signal: abort.signal })), {
          name: 'AbortError',
        })
        await test.pidRunning(text)
        abort.abort()
        await reading
        await pool.query('select 1')
      }),
    },
    {
      title: 'F09: a stream whose server is lost rejects, and the pool serves on',
      run: onPool({ max: 1 }, async (pool, test) => {
        const text =
          'select n, pg_sleep(case when n > 10 then 20 else 0 end) from generate_series(1, 99) as n'
        const rows = pool.stream(text, [], { batchSize: 5 })
        // From its first row on it is the stream of this server: until then a read may go on
        // elsewhere.
        await rows.next()
        const reading = failureOf(collect(rows), { name: 'ConnectionLostError' })
        await test.terminatePid(await test.pidRunning(text))
        await reading
        await pool.query('select 1')
      }),
    },
    {
      title: 'a lease and a transaction are busy while a stream is open on them, and say so',
      needs: ['lease'],
      run: onPool({ max: 1 }, async (pool) => {
        await pool.transaction(async (tx) => {
          for await (const _row of tx.stream('select generate_series(1, 9)', [], {
            batchSize: 2,
          })) {
            await failureOf(tx.query('select 1'), { name: 'LeaseBusyError', executed: 'no' })
            break
          }
          await tx.query('select 1')
        })
        await pool.use(async (lease) => {
          assert.equal((await collect(lease.stream('select generate_series(1, 9)'))).length, 9)
          await lease.query('select 1')
        })
      }),
    },
    {
      title:
        'copyFrom takes text and bytes from arrays and asynchronous sources, and copyTo gives them back',
      needs: ['write'],
      run: onTable('n int, s text', { max: 1 }, async (pool, table) => {
        async function* lines(): AsyncGenerator<string | Uint8Array> {
          yield '1\tö'
          await sleep(1)
          yield Buffer.from('ne\n2\ttwo\n')
        }
        const result = await pool.copyFrom(`copy ${table} from stdin`, lines())
        assert.deepEqual(result, { rowCount: 2, command: 'COPY' })
        await pool.copyFrom(`copy ${table} from stdin`, ['3\tthree\n'])
        const out = await collect(pool.copyTo(`copy (select * from ${table} order by n) to stdout`))
        assert.equal(textOf(out), '1\töne\n2\ttwo\n3\tthree\n')
      }),
    },
    {
      title: 'a source that fails undoes its COPY and gives its own error',
      needs: ['write'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const own = new Error('the file is gone')
        async function* lines(): AsyncGenerator<string> {
          yield '1\n'
          throw own
        }
        assert.equal(await failureOf(pool.copyFrom(`copy ${table} from stdin`, lines())), own)
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title:
        'data that the server refuses ends the source and rejects with the error of the server',
      needs: ['write'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        let returned = false
        async function* lines(): AsyncGenerator<string> {
          try {
            for (;;) {
              yield 'no number\n'.repeat(5_000)
              await sleep(1)
            }
          } finally {
            returned = true
          }
        }
        await failureOf(pool.copyFrom(`copy ${table} from stdin`, lines()), {
          name: 'DatabaseError',
          code: '22P02',
          executed: 'rolled-back',
        })
        assert.ok(returned, 'the source was not ended')
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'copyTo that is left early gives its connection back',
      run: onPool({ max: 1 }, async (pool) => {
        const text = `copy (select repeat('x', 99) from generate_series(1, 2000000)) to stdout`
        for await (const _piece of pool.copyTo(text)) break
        await pool.query('select 1')
        assert.equal(pool.stats().leased, 0)
      }),
    },
  ],
}
