import { createServer, Socket } from 'node:net'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  failure,
  openSession,
  type TestSession,
  terminate,
  untilRunning,
  untilSocketsTo,
} from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const SLEEP = 'select pg_sleep(60)'
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function sessionsOfTests(): Promise<number> {
  const [row] = await cluster.primary.sql<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where application_name = 'poolhouse-test'`,
  )
  return row!.n
}

describe('the socket that postgres.js forgets (#1066, #1154, #1208)', () => {
  it('is never written to: a deferred write after the end of the session does no harm', async () => {
    // An uncaught exception would fail this run.
    for (const end of ['destroyed', 'terminated', 'closed']) {
      await using session = await openSession(cluster, cluster.primary)
      const sql = session.connection.raw as Sql
      if (end === 'terminated') {
        // The error of the server is in the socket's buffer when postgres.js gets the statement.
        await terminate(cluster, session)
      }
      const work = [session.query('select 1'), sql`select 2`, sql`select ${3}::int`]
      const settled = Promise.allSettled(work)
      if (end === 'destroyed') session.connection.destroy('enough')
      if (end === 'closed') void session.connection.close(5_000)
      for (let turns = 0; turns < 5; turns++) await turn()
      await settled
      await session.heard.over
      // Once more, on an instance that is over.
      await failure(sql`select 4`)
      await turn()
    }
  })
})

describe('the reconnect of postgres.js', () => {
  it('does not happen: a session stays over, both idle and in the middle of a statement', async () => {
    for (const busy of [false, true]) {
      await using session = await openSession(cluster, cluster.primary)
      const running = busy ? failure(session.query(SLEEP)) : undefined
      if (busy) await untilRunning(cluster, session, SLEEP)
      await terminate(cluster, session)
      expect(await session.heard.over).toMatchObject({ code: '57P01' })
      if (running !== undefined) expect(await running).toMatchObject({ executed: 'unknown' })
      expect(await failure(session.query('select 1'))).toMatchObject({ executed: 'no' })
      await failure((session.connection.raw as Sql)`select 1`)
      await untilSocketsTo(cluster.primary.port, 0)
      expect(await sessionsOfTests()).toBe(0)
    }
  })

  it('does not happen after a failed log-in', async () => {
    const wrong = failure(openSession(cluster, cluster.primary, { database: 'nowhere' }))
    expect(await wrong).toMatchObject({ name: 'ConnectError', sqlState: '3D000' })
    let accepted = 0
    const server = createServer((socket) => {
      accepted++
      socket.on('error', () => {})
      socket.once('data', () => socket.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const hungUp = failure(openSession(cluster, { host: '127.0.0.1', port }))
    expect(await hungUp).toMatchObject({ name: 'ConnectError' })
    await untilSocketsTo(port, 0)
    for (let turns = 0; turns < 5; turns++) await turn()
    expect(accepted).toBe(1)
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('the silent repetition of postgres.js (retryRoutines)', () => {
  it('never repeats a procedure whose inner statement was lost, because it may have committed before', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    await session.query('create table done (id int)')
    await session.query(`
      create procedure half(i int) language plpgsql as $$
      begin
        insert into done values (i);
        commit;
        execute 'execute nosuch';
      end $$`)
    await session.query(`
      create function half(i int, j int) returns int language plpgsql as $$
      begin
        execute 'execute nosuch';
        return i;
      end $$`)
    expect(await failure(session.query('call half($1)', [1]))).toMatchObject({ code: '26000' })
    const named = { name: 'half', text: 'select half($1, 2)', values: [1] }
    for (let use = 0; use < 2; use++) {
      expect(await failure(session.query(named))).toMatchObject({ code: '26000' })
    }
    expect((await session.query('select count(*)::int as n from done')).rows).toEqual([{ n: 1 }])
  })

  it('does not happen in a transaction either, which has failed', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const named = { name: 'one', text: 'select 1 as n' }
    await session.query(`create function lose() returns int language plpgsql as
      $$ begin execute 'deallocate all'; return 1; end $$`)
    await session.query(named)
    await session.query('begin')
    await session.query('select lose()')
    expect(await failure(session.query(named))).toMatchObject({ code: '26000' })
    expect(session.connection.transactionStatus()).toBe('failed')
    await session.query('rollback')
    expect((await session.query(named)).rows).toEqual([{ n: 1 }])
  })
})

describe('results, unlike those of postgres.js', () => {
  it('are not mixed for a text with several commands: the last one counts', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const outcome = async (text: string) => {
      const { rows, rowCount, command } = await session.query(text)
      return [rows, rowCount, command]
    }
    expect(await outcome('select 1 as a; set work_mem = 9999')).toEqual([[], null, 'SET'])
    expect(await outcome('create temp table t (n int); insert into t values (1), (2)')).toEqual([
      [],
      2,
      'INSERT',
    ])
    expect(await outcome('select 1 as a; select 2 as b')).toEqual([[{ b: 2 }], 1, 'SELECT'])
    expect(await outcome('select 1; ')).toEqual([[{ '?column?': 1 }], 1, 'SELECT'])
  })

  it('are not shifted by an error in the middle of the previous result (#1119)', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const text = 'select 10 / (3 - i) as n from generate_series(1, 5) i'
    expect(await failure(session.query(text))).toMatchObject({ code: '22012' })
    const { rows } = await session.query('select i as n from generate_series(1, 2) i')
    expect(rows).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('are read to their end when a parser throws, where postgres.js would reject early', async () => {
    const types = { parserOf: (oid: number) => (oid === 16 ? refuseBooleans : undefined) }
    await using session = await openSession(cluster, cluster.primary, { types })
    const cursor = session.connection.openCursor({ text: 'select true from generate_series(1, 9)' })
    expect(await failure(cursor.read(3))).toMatchObject({ executed: 'yes' })
    const plain = failure(session.query('select true from generate_series(1, 9)'))
    const behind = session.query('select 7 as n')
    expect(await plain).toMatchObject({
      executed: 'yes',
      message: 'a row of the result cannot be read: no booleans today; see POOLHOUSE_ERROR',
    })
    expect((await behind).rows).toEqual([{ n: '7' }])
  })
})

function refuseBooleans(): never {
  throw new Error('no booleans today')
}

describe('statements, unlike those of postgres.js', () => {
  it('need no second round trip for their types, because values are sent as text', async () => {
    await using line = await openLine(cluster.primary.port)
    await using session = await openSession(cluster, line)
    for (const name of [undefined, 'named']) {
      const before = line.chunks
      const { rows } = await session.query({
        text: 'select $1::jsonb as j, $2::int as n, $3::bool as b',
        values: ['{"a": 1}', '7', 'yes'],
        name,
      })
      expect(rows).toEqual([{ j: { a: 1 }, n: 7, b: true }])
      expect(line.chunks - before).toBe(1)
    }
  })
})

describe('a cancel, unlike that of postgres.js', () => {
  it('hits its own statement or none, never the next one', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    for (let round = 0; round < 40; round++) {
      // About as long as the statement takes, so that the request arrives after its end in some
      // rounds.
      const target = session.query(`select pg_sleep(${(round % 8) / 1_000})`).catch(() => undefined)
      await turn()
      await connection.cancel(10_000)
      await target
      expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    }
  })
})

describe('close, unlike the end of postgres.js', () => {
  it('destroys the session at its deadline, also with queries that run', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const running = failure(session.query(SLEEP))
    const own = failure((session.connection.raw as Sql).unsafe(SLEEP))
    await untilRunning(cluster, session, SLEEP)
    await session.connection.close(50)
    expect(await running).toMatchObject({ executed: 'unknown' })
    expect(await own).toBeInstanceOf(Error)
    expect(session.heard.closed).toEqual(['it did not close within 50 ms'])
    await untilSocketsTo(cluster.primary.port, 0)
  })

  it('sends Terminate after the statement that was run just before', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const last = session.query('select 1 as n')
    await session.connection.close(10_000)
    expect((await last).rows).toEqual([{ n: 1 }])
    expect(session.heard.closed).toEqual(['it was closed'])
  })
})

describe('an unreadable message', () => {
  it('ends the session instead of the process', async () => {
    const wrong = [
      Buffer.from('HTTP/1.1 400'),
      Buffer.from([0x01, 0, 0, 0, 4]),
      Buffer.from([0x54, 0, 0, 0, 6, 0, 1]),
      Buffer.from([0x44, 0, 0, 0, 3]),
    ]
    for (const bytes of wrong) {
      await using line = await openLine(cluster.primary.port)
      await using session = await openSession(cluster, line)
      const running = failure(session.query(SLEEP))
      await untilRunning(cluster, session, SLEEP)
      line.inject(bytes)
      expect(await running).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
      await session.heard.over
      await terminate(cluster, session)
    }
  })
})

describe('many sessions', () => {
  it('leave nothing behind: no socket, no timer', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const sessions: TestSession[] = []
    for (let index = 0; index < 10; index++) {
      sessions.push(await openSession(cluster, cluster.primary))
    }
    const last = sessions.map((session) => failure(session.query(SLEEP)))
    for (const session of sessions) session.connection.destroy('the end')
    await Promise.all([...last, ...sessions.map((session) => session.heard.over)])
    await untilSocketsTo(cluster.primary.port, 0)
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    while (timers() > before) await turn()
  })
})

/** A relay to a server that counts the client's chunks, and can inject bytes to the client. */
interface Line extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly chunks: number
  inject(bytes: Buffer): void
}

async function openLine(to: number): Promise<Line> {
  const sockets: Socket[] = []
  let chunks = 0
  const server = createServer((client) => {
    const upstream = new Socket()
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.setNoDelay(true)
    }
    client.on('close', () => upstream.destroy())
    client.on('data', () => chunks++)
    upstream.connect(to, '127.0.0.1')
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    get chunks() {
      return chunks
    },
    inject: (bytes) => sockets[0]!.write(bytes),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
