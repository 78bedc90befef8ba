import assert from 'node:assert/strict'
import { failureOf, LOST } from '../run/expectations.js'
import { within } from '../run/waiting.js'
import { allOf, begunCopy, countOf, SLOW, withTable, writeUntilRefused } from './copy-parts.js'
import { type DriverArea, onSession } from './driver-context.js'

/** COPY whose other side is slow, cancelled or lost. */
export const copyEndings: DriverArea = {
  area: 'copy, slow and lost',
  cases: [
    {
      title: 'F46: while no data is read, the data of a COPY stays at the server',
      async run(test) {
        const { relay, session } = await test.relayed(test.server)
        const rows = 40_000
        const out = await session.connection.copyOut(
          `copy (select repeat('x', 999) from generate_series(1, ${rows})) to stdout`,
        )
        let length = (await out.read())!.length
        await new Promise((resolve) => setTimeout(resolve, 250))
        // What the kernel keeps for two sockets is some megabytes.
        const came = relay.received
        assert.ok(came < 24_000_000, `${came} bytes came and one piece was read`)
        length += (await allOf(out)).length
        assert.equal(length, rows * 1_000)
      },
    },
    {
      title: 'F46: write waits while the server takes nothing',
      run: onSession(async (session, test) => {
        const copy = await session.connection.copyIn('copy t (s) from stdin')
        test.line.bandwidth(1_000, 'to-server')
        const chunk = Buffer.alloc(1_000_000, `${'x'.repeat(99)}\n`)
        let taken = 0
        const writing = (async () => {
          for (;;) {
            await copy.write(chunk)
            taken++
          }
        })().catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, 250))
        assert.ok(taken < 32, `${taken} MB were taken`)
        session.connection.destroy('seen enough')
        await within(writing, 1_000, 'the write that waits')
        // The line takes no more bytes and so does not see how they end.
        test.line.reset()
      }, withTable),
    },
    {
      title: 'F54: a COPY is aborted by cancelling it, both ways',
      run: onSession(async (session, test) => {
        const copy = await session.connection.copyIn('copy t from stdin')
        await session.connection.cancel(5_000)
        await failureOf(within(writeUntilRefused(copy), 3_000, 'the refusal'), { code: '57014' })
        await copy.fail('it was cancelled')
        assert.equal(await countOf(session), 0)
        const out = await session.connection.copyOut(SLOW)
        const reading = failureOf(allOf(out), { name: 'DatabaseError', code: '57014' })
        await test.untilRunning(session, SLOW)
        await session.connection.cancel(5_000)
        await reading
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }, withTable),
    },
    {
      title:
        'F09: a server that is lost under a COPY from the client is told to the writer, the outcome unknown, and fail resolves',
      async run(test) {
        for (const call of ['write', 'finish'] as const) {
          const session = await withTable(test)
          const copy = await begunCopy(session)
          await test.terminate(session)
          if (call === 'finish') await within(session.heard.over, 3_000, 'the end of the session')
          const refused = call === 'write' ? writeUntilRefused(copy) : copy.finish()
          await failureOf(within(refused, 3_000, call), LOST)
          await within(copy.fail('it is lost'), 1_000, 'fail')
          await session.heard.over
          assert.equal(session.heard.closed.length, 1)
        }
      },
    },
    {
      title:
        'F09: a server that is lost under a COPY to the client is told to the reader, the outcome unknown',
      run: onSession(async (session, test) => {
        const out = await session.connection.copyOut(SLOW)
        const reading = failureOf(allOf(out), LOST)
        await test.untilRunning(session, SLOW)
        await test.terminate(session)
        await within(reading, 3_000, 'the reader')
        await session.heard.over
      }),
    },
    {
      title: 'F40: a finish whose answer is lost is unknown, though it was done',
      async run(test) {
        const table = await test.table('n int')
        const { relay, session } = await test.relayed(test.server)
        const copy = await session.connection.copyIn(`copy ${table} from stdin`)
        await copy.write(Buffer.from('1\n'))
        relay.cutAfter(3)
        await failureOf(copy.finish(), LOST)
        assert.deepEqual(await test.server.sql(`select n from ${table}`), [{ n: 1 }])
      },
    },
    {
      title: 'destroy settles the calls that wait in a COPY, both ways',
      async run(test) {
        const [one, two] = [await withTable(test), await test.connect()]
        const copy = await begunCopy(one)
        one.connection.destroy('enough')
        await failureOf(copy.finish(), { name: 'ConnectionLostError' })
        await within(copy.fail('it is over'), 1_000, 'fail')
        const text = 'copy (select pg_sleep(20)) to stdout'
        const beginning = failureOf(two.connection.copyOut(text), LOST)
        await test.untilRunning(two, text)
        two.connection.destroy('enough')
        await within(beginning, 1_000, 'the COPY that has not begun')
        const three = await test.connect()
        const out = await three.connection.copyOut(SLOW)
        const reading = failureOf(allOf(out), LOST)
        await test.untilRunning(three, SLOW)
        three.connection.destroy('enough')
        await within(reading, 1_000, 'the reader')
      },
    },
  ],
}
