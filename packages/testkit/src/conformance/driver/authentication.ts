import assert from 'node:assert/strict'
import type { AuthMethod } from '@poolhouse/core'
import type { WireAuthentication, WireScript } from '../../wire-server/script.js'
import { failureOf } from '../run/expectations.js'
import { assertTook, until } from '../run/waiting.js'
import type { DriverArea, DriverContext } from './driver-context.js'

const REFUSED = { name: 'AuthenticationError', fatal: true, executed: 'no' }

const password = 'open-$esame'

/** What the server does, and the word for it in `requireAuth`. */
const METHODS: readonly [WireAuthentication & string, AuthMethod][] = [
  ['trust', 'none'],
  ['cleartext', 'password'],
  ['md5', 'md5'],
  ['scram-sha-256', 'scram-sha-256'],
]

const WAYS_TO_CHEAT: readonly [what: string, scram: NonNullable<WireScript['scram']>][] = [
  ['skips the proof that it knows the password', { proof: 'skip' }],
  ['gives a wrong proof that it knows the password', { proof: 'wrong' }],
]

/** An AuthenticationRequest of the protocol. */
function request(kind: number, payload = ''): Buffer {
  const body = Buffer.from(payload, 'latin1')
  const message = Buffer.alloc(9 + body.length, 'R')
  message.writeInt32BE(8 + body.length, 1)
  message.writeInt32BE(kind, 5)
  body.copy(message, 9)
  return message
}

/** How a server and a client prove themselves to each other. */
export const authentication: DriverArea = {
  area: 'authentication',
  cases: [
    {
      title: 'X08: every method is accepted while none is required',
      async run(test) {
        for (const [auth] of METHODS) {
          const server = await test.wire({ auth, password })
          const session = await test.connect(test.wireLogin(server))
          assert.equal((await session.query('select 1')).command, 'SELECT', auth)
        }
      },
    },
    {
      title:
        'X08: a method that is required is accepted, every other refused with an AuthenticationError',
      async run(test) {
        for (const [auth, offered] of METHODS) {
          const server = await test.wire({ auth, password })
          const login = test.wireLogin(server)
          await test.connect({ ...login, requireAuth: [offered] })
          const requireAuth = METHODS.map(([, word]) => word).filter((word) => word !== offered)
          await failureOf(test.connect({ ...login, requireAuth }), REFUSED)
        }
      },
    },
    {
      title:
        'X08: a server that asks for the password in clear or by MD5 does not get it when SCRAM is required',
      async run(test) {
        for (const ask of [request(3), request(5, 'salt')]) {
          const heard: Buffer[] = []
          const server = await test.rawServer((socket) => {
            socket.once('data', () => {
              socket.on('data', (bytes: Buffer) => heard.push(bytes))
              socket.write(ask)
            })
          })
          const { host, port } = server
          const requireAuth = ['scram-sha-256'] as const
          const call = test.connect({ host, port, password, requireAuth, timeoutMs: 3_000 })
          await failureOf(call, { name: 'AuthenticationError' })
          const answered = Buffer.concat(heard).toString('latin1')
          assert.ok(!answered.startsWith('p'), `it was answered: ${answered}`)
        }
      },
    },
    ...WAYS_TO_CHEAT.map(([what, scram]) => ({
      title: `X08: a server that ${what} is refused with an AuthenticationError`,
      async run(test: DriverContext) {
        const server = await test.wire({ auth: 'scram-sha-256', password, scram })
        for (const requireAuth of [undefined, ['scram-sha-256'] as const]) {
          const login = test.wireLogin(server)
          const call = test.connect(requireAuth ? { ...login, requireAuth } : login)
          await failureOf(call, REFUSED)
        }
      },
    })),
    {
      title:
        'X08: a server that says it is ready and has asked for nothing is refused when SCRAM is required',
      async run(test) {
        const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
        for (const answer of [ready, Buffer.concat([request(0), ready])]) {
          const server = await test.rawServer((socket) => {
            socket.once('data', () => socket.write(answer))
          })
          const { host, port } = server
          const requireAuth = ['scram-sha-256'] as const
          const call = test.connect({ host, port, password, requireAuth, timeoutMs: 1_000 })
          await failureOf(call, { executed: 'no' })
          await until(() => server.connections === 0, 'the socket to be closed', 1_000)
        }
      },
    },
    {
      title:
        'X09: a server that demands a hostile number of SCRAM iterations is refused, and not worked for',
      async run(test) {
        const scram = { iterations: 50_000_000 }
        const server = await test.wire({ auth: 'scram-sha-256', password, scram })
        const startedAt = performance.now()
        await failureOf(test.connect({ ...test.wireLogin(server), timeoutMs: 5_000 }), {
          name: 'AuthenticationError',
          executed: 'no',
        })
        assertTook(startedAt, 0)
      },
    },
    {
      title:
        'X09: SCRAM with ten times the usual iterations is worked for without blocking the process',
      async run(test) {
        const scram = { iterations: 40_960 }
        const server = await test.wire({ auth: 'scram-sha-256', password, scram })
        const session = await test.connect(test.wireLogin(server))
        assert.equal((await session.query('select 1')).command, 'SELECT')
      },
    },
  ],
}
