import assert from 'node:assert/strict'
import { failureOf, TOO_LATE } from '../run/expectations.js'
import { until } from '../run/waiting.js'
import { type DriverArea, onSession } from './driver-context.js'

/** Names that have to be quoted, and quoted right. */
const CHANNELS = [
  'news',
  'News',
  'two words',
  'quote"d',
  `it's`,
  'ünïcode-🐘',
  '1; drop',
  'x'.repeat(63),
]

/** LISTEN and NOTIFY. */
export const listening: DriverArea = {
  area: 'listen',
  cases: [
    {
      title: 'a session hears what others notify on channels whose names hold any characters',
      async run(test) {
        const [listener, other] = [await test.connect(), await test.connect()]
        for (const channel of CHANNELS) await listener.connection.listen(channel)
        for (const channel of CHANNELS) {
          await other.query('select pg_notify($1, $2)', [channel, `to ${channel}`])
        }
        // They come in order, so what has not come by the last never will.
        await until(
          () => listener.heard.notifications.at(-1)?.[0] === CHANNELS.at(-1),
          'the last notification',
        )
        assert.deepEqual(
          listener.heard.notifications,
          CHANNELS.map((channel) => [channel, `to ${channel}`]),
        )
        assert.deepEqual(other.heard.notifications, [])
      },
    },
    {
      title: 'a notification of 7 999 bytes and one without payload arrive as they are',
      async run(test) {
        const [listener, other] = [await test.connect(), await test.connect()]
        await listener.connection.listen('news')
        const long = 'x'.repeat(7_999)
        await other.query('select pg_notify($1, $2)', ['news', long])
        await other.query('notify news')
        await until(() => listener.heard.notifications.length === 2, 'the notifications')
        assert.deepEqual(listener.heard.notifications, [
          ['news', long],
          ['news', ''],
        ])
      },
    },
    {
      title: 'a session hears its own notifications, in the order of their transactions',
      run: onSession(async ({ connection, query, heard }) => {
        await connection.listen('news')
        await query('begin')
        await query(`notify news, '1'; notify news, '2'`)
        assert.equal(heard.notifications.length, 0)
        await query('commit')
        await query('begin')
        await query(`notify news, 'never'`)
        await query('rollback')
        await query(`notify news, '3'`)
        await until(() => heard.notifications.length === 3, 'the notifications')
        assert.deepEqual(
          heard.notifications.map(([, payload]) => payload),
          ['1', '2', '3'],
        )
      }),
    },
    {
      title: 'a session that listens can be used for statements as before',
      async run(test) {
        const [listener, other] = [await test.connect(), await test.connect()]
        await listener.connection.listen('news')
        for (let round = 0; round < 30; round++) {
          await other.query('select pg_notify($1, $2)', ['news', String(round)])
          const { rows } = await listener.query(`select $1::int as n`, [round])
          assert.deepEqual(rows, [{ n: round }])
        }
        await until(() => listener.heard.notifications.length === 30, 'the notifications')
        assert.equal(listener.connection.transactionStatus(), 'idle')
      },
    },
    {
      title: 'a session goes on hearing after errors, after a rollback and when others end',
      async run(test) {
        const [{ connection, query, heard }, other] = [await test.connect(), await test.connect()]
        await connection.listen('news')
        await other.connection.listen('news')
        const cuts: (() => Promise<unknown>)[] = [
          () => failureOf(query('select 1/0')),
          () => failureOf(query('select $1::int', ['x'])),
          () => query('begin; listen other; rollback'),
          () => query('begin').then(() => connection.reset('rollback')),
          () => connection.listen('more'),
          () => other.connection.close(5_000),
        ]
        for (const [index, cut] of cuts.entries()) {
          await cut()
          // A session hears itself before its statement is over.
          await query('select pg_notify($1, $2)', ['news', String(index)])
          assert.deepEqual(heard.notifications.at(-1), ['news', String(index)])
        }
      },
    },
    {
      title: 'listening twice hears once',
      run: onSession(async ({ connection, query, heard }) => {
        await connection.listen('news')
        await connection.listen('news')
        await query(`notify news, 'once'`)
        await connection.ping()
        assert.deepEqual(heard.notifications, [['news', 'once']])
      }),
    },
    {
      title: 'listen rejects in a failed transaction and after the end of the session',
      run: onSession(async (session) => {
        await session.query('begin')
        await failureOf(session.query('select 1/0'))
        await failureOf(session.connection.listen('news'), { name: 'DatabaseError', code: '25P02' })
        await session.query('rollback')
        session.connection.destroy('gone')
        await failureOf(session.connection.listen('news'), TOO_LATE)
      }),
    },
  ],
}
