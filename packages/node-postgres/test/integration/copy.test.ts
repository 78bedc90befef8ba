import { createServer, connect as openTcp, type Socket } from 'node:net'
import type { ConnectionLostError } from '@poolhouse/core'
import type { DriverCopyOut } from '@poolhouse/core/kit'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, openSession, terminate, untilRunning } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const readAll = async (copy: DriverCopyOut): Promise<string> => {
  const pieces: Uint8Array[] = []
  for (;;) {
    const piece = await copy.read()
    if (piece === undefined) return Buffer.concat(pieces).toString()
    pieces.push(piece)
  }
}

const eventLoop = () => new Promise<void>((resolve) => setImmediate(resolve))

const streamOf = (session: { connection: object }): Socket =>
  (session.connection as { socket: { stream: Socket } }).socket.stream

/** A relay to the cluster that can stop reading what the client sends. */
const openValve = async () => {
  const sockets: Socket[] = []
  const server = createServer((client) => {
    const upstream = openTcp(cluster.primary.port, cluster.primary.host)
    sockets.push(client, upstream)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    login: { host: '127.0.0.1', port },
    shut: () => sockets[0]!.unpipe().pause(),
    open: () => sockets[0]!.pipe(sockets[1]!),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('copyIn', () => {
  it('sends data and returns the number of rows at ReadyForQuery', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    await session.query('create temp table t (n int, s text)')
    const copy = await connection.copyIn('copy t from stdin')
    expect([connection.inFlight, connection.transactionStatus()]).toEqual([1, 'unknown'])
    // Pieces need not end at the end of a row.
    for (const piece of ['1\tone\n2\tt', 'wo\n', '', '3\t\\N\n']) await copy.write(bytes(piece))
    expect(await copy.finish()).toEqual({ rowCount: 3, command: 'COPY' })
    expect([connection.inFlight, connection.transactionStatus()]).toEqual([0, 'idle'])
    const { rows } = await session.query({ text: 'select * from t order by n', rowMode: 'array' })
    expect(rows).toEqual([
      [1, 'one'],
      [2, 'two'],
      [3, null],
    ])
    expect(await failure(copy.write(bytes('4\tfour\n')))).toMatchObject({ name: 'PoolhouseError' })
    await copy.fail('too late')
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 3 }])
  })

  it('is rolled back by fail, with the given reason', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int)')
    await session.query('begin')
    const copy = await session.connection.copyIn('copy t from stdin')
    await copy.write(bytes('1\n'))
    await copy.fail('the source\0 failed')
    expect(session.connection.transactionStatus()).toBe('failed')
    expect(await failure(copy.finish())).toMatchObject({
      code: '57014',
      message: 'COPY from stdin failed: the source  failed',
    })
    await session.query('rollback')
    expect((await session.query('select * from t')).rows).toEqual([])
  })

  it('rejects the writer soon after the server has refused a row', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int primary key)')
    const copy = await session.connection.copyIn('copy t from stdin')
    const line = bytes('7\n'.repeat(1000))
    const error = await failure(
      (async () => {
        for (;;) await copy.write(line)
      })(),
    )
    expect(error).toMatchObject({ name: 'DatabaseError', code: '23505', executed: 'rolled-back' })
    expect(session.connection.transactionStatus()).toBe('idle')
    expect(await failure(copy.finish())).toBe(error)
    await copy.fail('as well')
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 0 }])
  })

  it('rejects finish with an error that the server finds at the end', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int unique deferrable initially deferred)')
    const copy = await session.connection.copyIn('copy t from stdin')
    await copy.write(bytes('1\n1\n'))
    expect(await failure(copy.finish())).toMatchObject({ code: '23505' })
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 0 }])
  })

  it('makes the writer wait while the server does not read', async () => {
    await using valve = await openValve()
    await using session = await openSession(cluster, cluster.primary, valve.login)
    await session.query('create temp table t (s text)')
    const copy = await session.connection.copyIn('copy t from stdin')
    valve.shut()
    const line = bytes(`${'x'.repeat(65_535)}\n`)
    let written = 0
    const writing = (async () => {
      for (; written < 1000; written++) await copy.write(line)
    })()
    const { bytesWritten: atStart } = streamOf(session)
    // Buffers of kernels and sockets take some megabytes at most.
    let last = -1
    while (written !== last) {
      last = written
      for (let turn = 0; turn < 200; turn++) await eventLoop()
    }
    expect(written).toBeLessThan(500)
    expect(streamOf(session).writableLength).toBeLessThan(1 << 20)
    valve.open()
    await writing
    expect(streamOf(session).bytesWritten - atStart).toBeGreaterThan(60_000_000)
    expect(await copy.finish()).toMatchObject({ rowCount: 1000 })
  })

  it('yields to the event loop while the server reads everything at once', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (s text)')
    const copy = await session.connection.copyIn('copy t from stdin')
    let turns = 0
    let next = setImmediate(function count() {
      turns++
      next = setImmediate(count)
    })
    const line = bytes(`${'x'.repeat(1023)}\n`)
    for (let n = 0; n < 1536; n++) await copy.write(line)
    clearImmediate(next)
    expect(turns).toBeGreaterThanOrEqual(5)
    expect(await copy.finish()).toMatchObject({ rowCount: 1536 })
  })

  it('accepts a piece of any size', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (s text)')
    const copy = await session.connection.copyIn('copy t from stdin')
    await copy.write(bytes(`${'x'.repeat(1023)}\n`.repeat(5000)))
    expect(await copy.finish()).toMatchObject({ rowCount: 5000 })
    expect((await session.query('select sum(length(s))::int as n from t')).rows).toEqual([
      { n: 5000 * 1023 },
    ])
  })

  it('rejects at the start what the server refuses, and what is another statement', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    await session.query('create temp table t (n int)')
    expect(await failure(connection.copyIn('copy nowhere from stdin'))).toMatchObject({
      name: 'DatabaseError',
      code: '42P01',
    })
    expect(
      await failure(connection.copyIn('insert into t select generate_series(1, 3)')),
    ).toMatchObject({
      name: 'PoolhouseError',
      executed: 'yes',
      message:
        'the statement is not COPY … FROM STDIN and was executed as what it is; run it with query; see POOLHOUSE_ERROR',
    })
    expect(await failure(connection.copyIn('copy t to stdout'))).toMatchObject({ executed: 'yes' })
    expect(await failure(connection.copyIn(''))).toMatchObject({ name: 'PoolhouseError' })
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 3 }])
  })

  it('fails a text with a second COPY FROM STDIN', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int)')
    const copy = await session.connection.copyIn('copy t from stdin; copy t from stdin')
    await copy.write(bytes('1\n'))
    expect(await failure(copy.finish())).toMatchObject({ code: '57014' })
    expect((await session.query('select * from t')).rows).toEqual([])
  })

  it('rejects write and finish when the session is lost, and resolves fail', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create table if not exists lost_copy (n int)')
    const text = 'copy lost_copy from stdin'
    const copy = await session.connection.copyIn(text)
    await copy.write(bytes('1\n'))
    await untilRunning(cluster, session, text)
    await terminate(cluster, session)
    const error = await failure<ConnectionLostError>(
      (async () => {
        for (;;) {
          await copy.write(bytes('2\n'))
          await eventLoop()
        }
      })(),
    )
    expect(error).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
      sqlState: '57P01',
    })
    expect(await failure(copy.finish())).toBe(error)
    await copy.fail('as well')
    expect(session.connection.inFlight).toBe(0)
    expect(await cluster.primary.sql('select * from lost_copy')).toEqual([])
  })

  it('rejects a waiting writer and a waiting start when the session is destroyed', async () => {
    await using valve = await openValve()
    await using session = await openSession(cluster, cluster.primary, valve.login)
    await session.query('create temp table t (s text)')
    const copy = await session.connection.copyIn('copy t from stdin')
    const behind = failure(session.connection.copyIn('copy t from stdin'))
    valve.shut()
    const line = bytes(`${'x'.repeat(65_535)}\n`)
    const writing = failure(
      (async () => {
        for (;;) await copy.write(line)
      })(),
    )
    while (!streamOf(session).writableNeedDrain) await eventLoop()
    const failing = copy.fail('never mind')
    session.connection.destroy('enough')
    expect(await writing).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect(await behind).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
    await failing
    expect(await failure(session.connection.copyIn('copy t from stdin'))).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'no',
    })
  })
})

describe('copyOut', () => {
  it('returns the data as the server sent it, and undefined at ReadyForQuery', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    const copy = await connection.copyOut(
      `copy (select n, 'é' from generate_series(1, 3) n) to stdout (format csv)`,
    )
    expect(await readAll(copy)).toBe('1,é\n2,é\n3,é\n')
    expect([connection.inFlight, connection.transactionStatus()]).toEqual([0, 'idle'])
    expect(await copy.read()).toBeUndefined()
    expect(await readAll(await connection.copyOut('copy (select 1 where false) to stdout'))).toBe(
      '',
    )
  })

  it('reads from the socket only as fast as the reader, and loses or changes no byte', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const rows = 200_000
    const copy = await session.connection.copyOut(
      `copy (select repeat(chr(97 + n % 26), 99) from generate_series(1, ${rows}) n) to stdout`,
    )
    const stream = streamOf(session)
    // Without a reader the server cannot write, and that stays so.
    const stuck = () =>
      cluster.primary.sql(
        `select 1 from pg_stat_activity where pid = $1 and wait_event = 'ClientWrite'`,
        [session.connection.info.backendPid],
      )
    while (!stream.isPaused() || (await stuck()).length === 0) await eventLoop()
    const { bytesRead } = stream
    expect(bytesRead).toBeLessThan(1 << 20)
    for (let look = 0; look < 20; look++) expect(await stuck()).toHaveLength(1)
    expect(stream.bytesRead).toBe(bytesRead)
    expect(session.connection.transactionStatus()).toBe('unknown')
    // The chunks stay unchanged, although the parser reuses its buffers.
    const pieces: Uint8Array[] = []
    for (;;) {
      const piece = await copy.read()
      if (piece === undefined) break
      pieces.push(piece)
      await eventLoop()
    }
    const lines = Buffer.concat(pieces).toString().split('\n')
    expect(lines).toHaveLength(rows + 1)
    const wrong = lines.findIndex(
      (line, n) => line !== (n < rows ? String.fromCharCode(97 + ((n + 1) % 26)).repeat(99) : ''),
    )
    expect(wrong).toBe(-1)
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('frees the session when the end has come, even if it is never read', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const copy = await session.connection.copyOut(`copy (select repeat('x', 7000)) to stdout`)
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(await readAll(copy)).toHaveLength(7001)
  })

  it('rejects the read after the data that came before an error', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const copy = await session.connection.copyOut(
      'copy (select 10 / (3 - n) from generate_series(1, 5) n) to stdout',
    )
    const pieces: Uint8Array[] = []
    const error = await failure(
      (async () => {
        for (;;) pieces.push((await copy.read())!)
      })(),
    )
    expect(Buffer.concat(pieces).toString()).toBe('5\n10\n')
    expect(error).toMatchObject({ name: 'DatabaseError', code: '22012' })
    expect(session.connection.transactionStatus()).toBe('idle')
    expect(await failure(copy.read())).toBe(error)
  })

  it('rejects at the start what the server refuses, and what is another statement', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    await session.query('create temp table t (n int)')
    expect(await failure(connection.copyOut('copy nowhere to stdout'))).toMatchObject({
      code: '42P01',
    })
    expect(await failure(connection.copyOut('select 1'))).toMatchObject({
      name: 'PoolhouseError',
      executed: 'yes',
    })
    expect(await failure(connection.copyOut('copy t from stdin'))).toMatchObject({
      name: 'PoolhouseError',
      executed: 'rolled-back',
      message: 'the statement is not COPY … TO STDOUT; see POOLHOUSE_ERROR',
    })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('rejects with the loss of the session, also when the socket was paused', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const endless = `copy (select repeat('x', 999)
      from generate_series(1, 10000) a, generate_series(1, 10000) b) to stdout`
    const copy = await session.connection.copyOut(endless)
    await copy.read()
    const reading = failure<ConnectionLostError>(
      (async () => {
        while ((await copy.read()) !== undefined);
      })(),
    )
    await terminate(cluster, session)
    // The last message of the server does not fit into a full socket, so it is not in the error.
    expect(await reading).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect(session.heard.closed).toHaveLength(1)

    await using second = await openSession(cluster, cluster.primary)
    const paused = await second.connection.copyOut(endless)
    while (!streamOf(second).isPaused()) await eventLoop()
    second.connection.destroy('enough')
    await second.heard.over
    expect(await failure(paused.read())).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
    })
  })
})

describe('a COPY that is run as a statement', () => {
  it('fails without a source in both protocols, and leaves the session in sync', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int)')
    for (const name of [undefined, 'named']) {
      expect(await failure(session.query({ text: 'copy t from stdin', name }))).toMatchObject({
        code: '57014',
      })
      expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      expect((await session.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    }
  })
})

describe('listen', () => {
  it('subscribes to a channel of any name', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const names = ['news', 'News', 'a "b" c; select 1 --', "it's", 'ü']
    for (const name of names) await session.connection.listen(name)
    for (const name of names) await session.query('select pg_notify($1, $2)', [name, 'hello'])
    expect(session.heard.notifications).toEqual(names.map((name) => [name, 'hello']))
  })
})
