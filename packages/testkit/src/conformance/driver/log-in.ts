import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { AuthenticationError, ConnectError } from '@poolhouse/core'
import { assertHas, failureOf } from '../run/expectations.js'
import { assertTook, turns, until } from '../run/waiting.js'
import { type DriverArea, type DriverContext, onSession } from './driver-context.js'

/** Logs in to a server that is lost after so many bytes. */
async function loseLogIn(test: DriverContext, bytes: number): Promise<void> {
  const relay = await test.relay()
  relay.cutAfter(bytes, bytes % 2 === 0 ? 'fin' : 'rst')
  const { context, heard } = test.contextFor({ host: relay.host, port: relay.port })
  await failureOf(test.driver.connect(context), { name: 'ConnectError', executed: 'no' })
  await until(() => relay.connections === 0, 'the socket to be closed', 1_000)
  assert.deepEqual(heard.closed, [])
}

/** From the address to a session that is ready. */
export const logIn: DriverArea = {
  area: 'log-in',
  cases: [
    {
      title:
        'a session knows the address of its peer, its process and the parameters of the server',
      async run(test) {
        const session = await test.connect({ host: 'localhost' })
        const { info } = session.connection
        assert.match(info.address ?? '', /^(127\.0\.0\.1|::1)$/)
        assert.equal(info.port, test.line.port)
        assert.equal(info.parameters.get('server_encoding'), 'UTF8')
        assert.match(info.parameters.get('server_version') ?? '', /^\d+/)
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.equal(session.connection.inFlight, 0)
        const { rows } = await session.query<{ pid: number }>(
          'select pg_backend_pid() as pid, current_user::text as name, current_database()::text as db',
        )
        const { user, database } = test.server
        assert.deepEqual(rows, [{ pid: info.backendPid, name: user, db: database }])
      },
    },
    {
      title: 'a session has the parameters it was given, whatever characters are in them',
      async run(test) {
        const parameters = {
          search_path: '"a b", c',
          statement_timeout: '1234',
          'my.tenant': `it's \\ a\ttab\n`,
        }
        const session = await test.connect({ parameters, applicationName: 'späce \\ name' })
        const show = async (name: string): Promise<unknown> =>
          Object.values((await session.query(`show ${name}`)).rows[0]!)[0]
        assert.equal(await show('search_path'), '"a b", c')
        assert.equal(await show('statement_timeout'), '1234ms')
        assert.equal(await show('my.tenant'), parameters['my.tenant'])
        assert.equal(await show('client_encoding'), 'UTF8')
      },
    },
    {
      title: 'X06: the password is nowhere in a session that is printed',
      run: onSession(async ({ connection }, test) => {
        const everything = inspect(connection.raw, { depth: 9, showHidden: true })
        assert.ok(!everything.includes(test.server.password), 'the password can be seen')
      }),
    },
    {
      title: 'F25: a wrong password is a fatal AuthenticationError that does not show it',
      async run(test) {
        const password = 'wrong-$ecret'
        const error = await failureOf(test.connect({ password }), {
          name: 'AuthenticationError',
          code: 'POOLHOUSE_AUTHENTICATION',
          sqlState: '28P01',
          fatal: true,
          retryable: false,
          executed: 'no',
          endpoint: `127.0.0.1:${test.line.port}/${test.server.database}`,
          cause: { code: '28P01' },
        })
        assert.ok(error instanceof AuthenticationError)
        const everything = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })
        assert.ok(!everything.includes(password), 'the password can be seen')
      },
    },
    {
      title: 'a missing password is an AuthenticationError that names the option',
      async run(test) {
        await failureOf(test.connect({ password: undefined }), {
          name: 'AuthenticationError',
          message: /connection\.password/,
          fatal: true,
        })
      },
    },
    {
      title: 'F26: a missing database is fatal and keeps its SQLSTATE',
      async run(test) {
        await failureOf(test.connect({ database: 'nowhere' }), {
          name: 'ConnectError',
          sqlState: '3D000',
          fatal: true,
          retryable: false,
          executed: 'no',
          cause: { code: '3D000' },
        })
      },
    },
    {
      title: 'F10: a port without a listener is a retryable ConnectError that names it',
      async run(test) {
        test.line.refuse()
        const error = await failureOf<ConnectError>(test.connect(), {
          name: 'ConnectError',
          message: /ECONNREFUSED/,
          fatal: false,
          retryable: true,
          executed: 'no',
          cause: { code: 'ECONNREFUSED' },
        })
        assert.ok(error.message.includes(`127.0.0.1:${test.line.port}/${test.server.database}`))
      },
    },
    {
      title: 'F16: a host that cannot be found is a ConnectError',
      async run(test) {
        await failureOf(test.connect({ host: 'no-such-host.invalid', timeoutMs: 4_000 }), {
          name: 'ConnectError',
          executed: 'no',
        })
      },
    },
    {
      title:
        'F10, F24: a server that refuses sessions for now is a retryable ConnectError with its SQLSTATE',
      async run(test) {
        const server = await test.wire()
        for (const code of ['57P03', '53300']) {
          server.failConnections({ code, message: 'not now' })
          await failureOf(test.connect(test.wireLogin(server)), {
            name: 'ConnectError',
            sqlState: code,
            fatal: false,
            retryable: true,
            executed: 'no',
          })
        }
      },
    },
    {
      title:
        'F15: a server that accepts and never answers is given up at the deadline, and no socket is left',
      async run(test) {
        test.line.blackHole()
        const startedAt = performance.now()
        await failureOf(test.connect({ timeoutMs: 120 }), {
          name: 'ConnectError',
          message: /120 ms/,
          retryable: true,
        })
        assertTook(startedAt, 120)
        await until(() => test.line.connections === 0, 'the socket to be closed', 1_000)
      },
    },
    {
      title: 'F15: a server that stops answering inside the log-in is given up at the deadline',
      async run(test) {
        const server = await test.wire({ onConnect: () => ({ hang: true }) })
        await failureOf(test.connect({ ...test.wireLogin(server), timeoutMs: 120 }), {
          name: 'ConnectError',
          retryable: true,
        })
      },
    },
    {
      title:
        'F55: a connect is given up when its signal fires, before and during, and no socket is left',
      async run(test) {
        const reason = new Error('no longer wanted')
        test.line.blackHole()
        const abort = new AbortController()
        const call = failureOf(test.connect({ signal: abort.signal }), {
          name: 'ConnectError',
          executed: 'no',
          cause: reason,
        })
        await until(() => test.line.connections === 1, 'the connect to arrive')
        abort.abort(reason)
        await call
        await until(() => test.line.connections === 0, 'the socket to be closed', 1_000)
        await failureOf(test.connect({ signal: abort.signal }), { name: 'ConnectError' })
        await turns(3)
        assert.equal(test.line.connections, 0)
      },
    },
    {
      title: 'F55: a signal that fires at any moment of the log-in leaves no socket',
      seeded: true,
      async run(test) {
        for (let round = 0; round < test.rounds(25); round++) {
          const abort = new AbortController()
          setTimeout(() => abort.abort(new Error('enough')), test.random() * 15)
          const session = await test.connect({ signal: abort.signal }).catch((error: unknown) => {
            assertHas(error, { name: 'ConnectError', executed: 'no' })
          })
          // It was faster than the signal, which then means nothing to it any more.
          if (session) {
            await session.query('select 1')
            await session.connection.close(2_000)
          }
          await until(() => test.line.connections === 0, 'the socket to be closed', 1_000)
        }
      },
    },
    {
      title:
        'a server that is lost after any number of bytes of the log-in is a ConnectError, and no session is reported',
      async run(test) {
        const places = Array.from({ length: 20 }, (_, n) => n * 21)
        await Promise.all(places.map((bytes) => loseLogIn(test, bytes)))
      },
    },
    {
      title: 'servers that talk nonsense are ConnectErrors',
      async run(test) {
        const answers = [
          'HTTP/1.1 400 Bad Request\r\n\r\n',
          Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7]),
        ]
        for (const answer of answers) {
          const server = await test.rawServer((socket) => {
            socket.once('data', () => socket.end(answer))
          })
          const login = { host: server.host, port: server.port, timeoutMs: 1_000 }
          const error = await failureOf(test.connect(login), { executed: 'no' })
          assert.ok(error instanceof ConnectError)
          await until(() => server.connections === 0, 'the socket to be closed', 1_000)
        }
      },
    },
    {
      title: 'a Unix socket is found by its directory, has no address, and can be cancelled over',
      async run(test) {
        const { socketDirectory, port } = test.server
        const login = { host: socketDirectory, port, user: 'postgres', password: undefined }
        const session = await test.connect(login)
        assertHas(session.connection.info, { address: undefined, port: undefined })
        const text = 'select pg_sleep(20)'
        const running = failureOf(session.query(text), { code: '57014' })
        await test.untilRunning(session, text)
        await session.connection.cancel(5_000)
        await running
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
        await failureOf(test.connect({ ...login, host: '/nowhere' }), {
          name: 'ConnectError',
          cause: { code: 'ENOENT' },
        })
      },
    },
    {
      title: 'F59: many sessions can be opened at once',
      async run(test) {
        const sessions = await Promise.all(Array.from({ length: 12 }, () => test.connect()))
        const pids = new Set(sessions.map(({ connection }) => connection.info.backendPid))
        assert.equal(pids.size, 12)
        await Promise.all(sessions.map(({ connection }) => connection.close(5_000)))
      },
    },
  ],
}
