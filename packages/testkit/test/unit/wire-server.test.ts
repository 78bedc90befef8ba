// biome-ignore-all lint/suspicious/noThenProperty: the `then` of a reaction is data
import { Client, type ClientConfig } from 'pg'
import { generate } from 'selfsigned'
import { afterEach, describe, expect, it } from 'vitest'
import type { Reaction, WireScript } from '../../src/wire-server/script.js'
import { startWireServer, type WireServer } from '../../src/wire-server/wire-server.js'

const clients: Client[] = []
const servers: WireServer[] = []

async function start(script?: WireScript): Promise<WireServer> {
  const server = await startWireServer(script)
  servers.push(server)
  return server
}

async function connect(server: WireServer, config: ClientConfig = {}): Promise<Client> {
  const client = new Client({ connectionString: server.url, ...config })
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}

function ended(client: Client): Promise<void> {
  return new Promise((resolve) => client.once('end', resolve))
}

/** Resolves when the server has seen this statement. */
function seen(server: WireServer, text: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (server.statements.some((statement) => statement.text === text)) resolve()
      else setImmediate(look)
    }
    look()
  })
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

describe('authentication', () => {
  it.each(['trust', 'cleartext', 'md5', 'scram-sha-256'] as const)(
    'lets a client in that knows the password: %s',
    async (auth) => {
      const server = await start({ auth, password: 'sécret, =x' })
      const client = await connect(server)
      expect((await client.query('select current_user')).rows).toEqual([{ current_user: 'wire' }])
    },
  )

  it.each(['cleartext', 'md5', 'scram-sha-256'] as const)(
    'refuses a wrong password with 28P01: %s',
    async (auth) => {
      const server = await start({ auth, password: 'right' })
      await expect(
        connect(server, { connectionString: server.url.replace('right', 'wrong') }),
      ).rejects.toMatchObject({ code: '28P01', severity: 'FATAL' })
      expect(server.sessions).toBe(0)
    },
  )

  it('can prove itself wrongly, which a client notices', async () => {
    const server = await start({
      auth: 'scram-sha-256',
      password: 'x',
      scram: { proof: 'wrong', iterations: 10 },
    })
    await expect(connect(server)).rejects.toThrow('signature')
  })

  it('refuses to start without the password it would have to check', async () => {
    await expect(startWireServer({ auth: 'md5' })).rejects.toThrow(TypeError)
  })

  it('rejects every client when the script says so', async () => {
    const server = await start({ auth: { reject: { code: '28000', message: 'no entry' } } })
    await expect(connect(server)).rejects.toMatchObject({ code: '28000', message: 'no entry' })
  })

  it('encrypts when it has a certificate', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }])
    const server = await start({
      auth: 'scram-sha-256',
      password: 'x',
      tls: { cert, key },
      onStatement: (text) => (text === 'reset' ? { reset: true } : undefined),
    })
    const client = await connect(server, {
      ssl: { ca: cert, checkServerIdentity: () => undefined },
    })
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    await expect(client.query('reset')).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('says that it has no TLS', async () => {
    const server = await start()
    await expect(connect(server, { ssl: true })).rejects.toThrow('does not support SSL')
  })
})

describe('roles', () => {
  it('answers a role probe by its aliases from the state', async () => {
    const server = await start()
    Object.assign(server.state, { timeline: 7, lsn: '1/AB', systemId: '42' })
    const client = await connect(server)
    const probe = `select pg_is_in_recovery() as in_recovery, cast(x as text) as system_id, (a).b as timeline,
      current_setting('x as y')::bool as read_only, x as lsn, x as "receive_lsn", x as replay_paused, x as other
      from f() as ignored`
    expect((await client.query(probe)).rows).toEqual([
      {
        in_recovery: false,
        system_id: '42',
        timeline: 7,
        read_only: false,
        lsn: '1/AB',
        receive_lsn: null,
        replay_paused: false,
        other: null,
      },
    ])
    server.setRole('replica')
    expect((await client.query(probe)).rows[0]).toMatchObject({
      in_recovery: true,
      read_only: true,
    })
    server.setRole('primary-read-only')
    expect((await client.query(probe)).rows[0]).toMatchObject({
      in_recovery: false,
      read_only: true,
    })
    expect((await client.query('select pg_is_in_recovery()')).rows).toEqual([
      { pg_is_in_recovery: false },
    ])
  })

  it('reports the role at start-up and tells open sessions of a change with the next answer', async () => {
    const server = await start()
    server.setRole('replica')
    const client = new Client(server.url)
    client.on('error', () => {})
    clients.push(client)
    const reported: [string, string][] = []
    client.connection.on(
      'parameterStatus',
      (status: { parameterName: string; parameterValue: string }) => {
        reported.push([status.parameterName, status.parameterValue])
      },
    )
    await client.connect()
    expect(Object.fromEntries(reported)).toMatchObject({
      in_hot_standby: 'on',
      default_transaction_read_only: 'off',
      server_version: '18.4',
      server_encoding: 'UTF8',
      client_encoding: 'UTF8',
      DateStyle: 'ISO, MDY',
      integer_datetimes: 'on',
      standard_conforming_strings: 'on',
      TimeZone: 'UTC',
    })
    reported.length = 0
    server.setRole('primary')
    await client.query('select 1')
    expect(reported).toEqual([['in_hot_standby', 'off']])
  })

  it('refuses writes on a replica with 25006 and does them on a primary', async () => {
    const server = await start()
    const client = await connect(server)
    const insert = await client.query('insert into t values ($1)', [1])
    expect([insert.command, insert.rowCount]).toEqual(['INSERT', 1])
    expect((await client.query('create unique index i on t (x)')).command).toBe('CREATE')
    server.setRole('replica')
    for (const [text, what] of [
      ['insert into t values (1)', 'INSERT'],
      ['CREATE TABLE t ()', 'CREATE TABLE'],
      ['with x as (delete from t returning 1) select 1', 'DELETE'],
      ['select 1 from t for update', 'SELECT FOR UPDATE'],
    ]) {
      await expect(client.query(text!)).rejects.toMatchObject({
        code: '25006',
        message: `cannot execute ${what} in a read-only transaction`,
      })
    }
    expect((await client.query("select 'insert'")).rows).toHaveLength(1)
    expect((await client.query('show transaction_read_only')).rows).toEqual([
      { transaction_read_only: 'on' },
    ])
  })

  it('S71: refuses writes in the READ ONLY transaction of a client on a primary', async () => {
    const server = await start()
    const client = await connect(server)
    await client.query('begin read only')
    await expect(client.query('update t set x = 1')).rejects.toMatchObject({ code: '25006' })
    await client.query('rollback')
    expect((await client.query('update t set x = 1')).command).toBe('UPDATE')
  })
})

describe('statements', () => {
  it('echoes constants and parameters with their types', async () => {
    const server = await start()
    const client = await connect(server)
    const { rows, fields } = await client.query("select 1, $1::int as x, $2, 'it''s' as s, null", [
      '5',
      'y',
    ])
    expect(rows).toEqual([{ '?column?': null, x: 5, s: "it's" }])
    expect(fields.map((field) => field.dataTypeID)).toEqual([23, 23, 25, 25, 25])
  })

  it('keeps the transaction status and answers ROLLBACK to COMMIT of a failed transaction', async () => {
    const server = await start({
      onStatement: (text) =>
        text === 'fail' ? { error: { code: '23505', message: 'dup', constraint: 'k' } } : undefined,
    })
    const client = await connect(server)
    const statuses: string[] = []
    client.connection.on('readyForQuery', (ready: { status: string }) =>
      statuses.push(ready.status),
    )
    await client.query('begin')
    await expect(client.query('fail', [])).rejects.toMatchObject({ code: '23505', constraint: 'k' })
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' })
    expect((await client.query('commit')).command).toBe('ROLLBACK')
    await client.query('begin; savepoint a')
    await expect(client.query({ text: 'fail', values: [] })).rejects.toThrow('dup')
    await client.query('rollback to a')
    expect((await client.query('commit')).command).toBe('COMMIT')
    expect(statuses).toEqual(['T', 'E', 'E', 'I', 'T', 'E', 'T', 'I'])
  })

  it('answers each statement of a text and stops at the first that fails', async () => {
    const server = await start()
    const client = await connect(server)
    const results = (await client.query('begin; select 1 as a; commit')) as unknown as {
      command: string
    }[]
    expect(results.map((result) => result.command)).toEqual(['BEGIN', 'SELECT', 'COMMIT'])
    await expect(client.query('nonsense; insert into t values (1)')).rejects.toMatchObject({
      code: '42601',
    })
  })

  it('skips pipelined messages after an error up to the Sync and then goes on', async () => {
    const server = await start()
    const client = await connect(server)
    const first = client.query('nonsense', [])
    const second = client.query('select $1::int as x', [3])
    await expect(first).rejects.toMatchObject({ code: '42601' })
    expect((await second).rows).toEqual([{ x: 3 }])
  })

  it('remembers what a session sets', async () => {
    const server = await start()
    const client = await connect(server)
    await client.query("set application_name = 'me'")
    expect((await client.query('show application_name')).rows[0]).toEqual({
      application_name: 'me',
    })
    await client.query('reset all')
    expect((await client.query('show application_name')).rows[0]).toEqual({ application_name: '' })
    await client.query("/* a comment */ set application_name to 'other'")
    expect((await client.query('-- one\nshow application_name')).rows[0]).toEqual({
      application_name: 'other',
    })
    await client.query('/* a comment */ reset all')
    expect((await client.query('show application_name')).rows[0]).toEqual({ application_name: '' })
    await expect(client.query('show no_such')).rejects.toMatchObject({ code: '42704' })
  })
})

describe('scripts', () => {
  it('play rows, tags, notices and functions of the parameters', async () => {
    const reactions: Record<string, Reaction> = {
      users: { rows: [{ id: 1, name: 'a', at: null, ok: true, doc: { x: [1] } }] },
      none: { rows: [], columns: ['id', { name: 'n', type: 'int8' }] },
      echo: { rows: (parameters) => [{ p: parameters[0]?.toString() ?? null }], columns: ['p'] },
      vacuum: { tag: 'VACUUM' },
      hint: {
        notice: { message: 'careful', severity: 'WARNING', code: '01000' },
        then: { tag: 'X' },
      },
    }
    const server = await start({ onStatement: (text) => reactions[text] })
    const client = await connect(server)
    const notices: string[] = []
    client.on('notice', (notice) => notices.push(`${notice.code} ${notice.message}`))
    expect((await client.query('users', [])).rows).toEqual([
      { id: 1, name: 'a', at: null, ok: true, doc: { x: [1] } },
    ])
    expect((await client.query('none')).fields.map((field) => field.dataTypeID)).toEqual([25, 20])
    expect((await client.query('echo', ['hello'])).rows).toEqual([{ p: 'hello' }])
    expect((await client.query('vacuum')).command).toBe('VACUUM')
    await client.query('hint')
    expect(notices).toEqual(['01000 careful'])
  })

  it('are asked once for each run, with the session and the parameters', async () => {
    const asked: unknown[] = []
    const server = await start()
    server.onStatement = (text, session, parameters) => {
      asked.push([text, session.id, session.transactionStatus, parameters])
      return undefined
    }
    const client = await connect(server)
    await client.query({ name: 'n', text: 'select $1', values: ['a'] })
    await client.query({ name: 'n', text: 'select $1', values: [null] })
    expect(asked).toEqual([
      ['select $1', 1, 'I', ['a']],
      ['select $1', 1, 'I', [null]],
    ])
    expect(server.statements.map(({ text }) => text)).toEqual(['select $1', 'select $1'])
  })

  it('can end the session by FIN, RST or a FATAL error', async () => {
    const server = await start({
      onStatement: (text) =>
        ({
          close: { close: true },
          reset: { reset: true },
          fatal: { error: { code: '57P02', message: 'crash', severity: 'FATAL' } },
        })[text] as Reaction | undefined,
    })
    const closed = await connect(server)
    await expect(closed.query('close')).rejects.toThrow('Connection terminated unexpectedly')
    const reset = await connect(server)
    await expect(reset.query('reset')).rejects.toMatchObject({ code: 'ECONNRESET' })
    const fatal = await connect(server)
    const end = ended(fatal)
    await expect(fatal.query('fatal')).rejects.toMatchObject({ code: '57P02', severity: 'FATAL' })
    await end
    expect(server.sessions).toBe(0)
  })

  it('can hang one session while others are served', async () => {
    const server = await start({
      onStatement: (text) => (text === 'hang' ? { hang: true } : undefined),
    })
    const stuck = await connect(server)
    const dropped = expect(stuck.query('hang')).rejects.toThrow()
    await seen(server, 'hang')
    const other = await connect(server)
    expect((await other.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    expect(server.sessions).toBe(2)
    server.dropAll()
    await dropped
  })

  it('decide about new connections', async () => {
    const server = await start({
      onConnect: (session) =>
        session.startup.get('database') === 'gone'
          ? { error: { code: '3D000', message: 'database "gone" does not exist' } }
          : { delayMs: 1 },
    })
    await expect(connect(server, { database: 'gone' })).resolves.toBeDefined()
    const url = server.url.replace(/wire$/, 'gone')
    await expect(connect(server, { connectionString: url })).rejects.toMatchObject({
      code: '3D000',
      severity: 'FATAL',
    })
  })

  it('a script that throws fails the client with its message', async () => {
    const server = await start({
      onStatement: () => {
        throw new Error('mistake in the test')
      },
    })
    const client = await connect(server)
    await expect(client.query('select 1')).rejects.toThrow('mistake in the test')
  })
})

describe('cancel requests', () => {
  async function cancel(client: Client, server: WireServer, secret?: number): Promise<void> {
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
    const canceller = new Client(server.url)
    const connection = canceller.connection as unknown as {
      connect(port: number, host: string): void
      cancel(pid: number, key: number): void
      on(event: string, listener: () => void): void
    }
    const done = new Promise<void>((resolve) => connection.on('end', resolve))
    connection.on('connect', () => connection.cancel(processID, secret ?? secretKey))
    connection.connect(server.port, server.host)
    await done
  }

  it('end a delayed statement with 57014 and leave the session usable', async () => {
    const server = await start({
      onStatement: (text) => (text === 'slow' ? { delayMs: 3_600_000 } : undefined),
    })
    const client = await connect(server)
    const cancelled = expect(client.query('slow')).rejects.toMatchObject({ code: '57014' })
    await seen(server, 'slow')
    await cancel(client, server, 1)
    await cancel(client, server)
    await cancelled
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    expect(server.cancels.map(({ secret }) => secret === 1)).toEqual([true, false])
    expect(server.connections).toBe(1)
  })

  it('reach no statement when the script closes them', async () => {
    const server = await start({ onCancel: () => ({ close: true }) })
    const client = await connect(server)
    const query = client.query('select pg_sleep(3600)')
    const kicked = expect(query).rejects.toMatchObject({ code: '57P01' })
    await seen(server, 'select pg_sleep(3600)')
    await cancel(client, server)
    expect(server.cancels).toHaveLength(1)
    server.kick()
    await kicked
  })
})

describe('the server', () => {
  it('hangs open and new sessions and goes on where it was when resumed', async () => {
    const server = await start()
    const client = await connect(server)
    server.hang()
    const query = client.query('select 1 as a')
    const late = connect(server)
    await seen(server, 'select 1 as a')
    const first = await Promise.race([query, late, new Promise((resolve) => setImmediate(resolve))])
    expect(first).toBeUndefined()
    server.resume()
    expect((await query).rows).toEqual([{ a: 1 }])
    await late
  })

  it('refuses connections and accepts them again on the same port', async () => {
    const server = await start()
    const client = await connect(server)
    const { port } = server
    server.refuse()
    await expect(connect(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect((await client.query('select 1 as a')).rows).toEqual([{ a: 1 }])
    await server.accept()
    expect(server.port).toBe(port)
    await connect(server)
    expect([server.sessions, server.connections]).toEqual([2, 2])
  })

  it('refuses sessions with the error it was given until told otherwise', async () => {
    const server = await start()
    server.failConnections({ code: '57P03', message: 'starting up' })
    await expect(connect(server)).rejects.toMatchObject({ code: '57P03', severity: 'FATAL' })
    server.failConnections(undefined)
    await connect(server)
  })

  it('kicks every session with a FATAL error', async () => {
    const server = await start()
    const client = await connect(server)
    const errors: unknown[] = []
    client.on('error', (error) => errors.push((error as { code?: string }).code))
    const end = ended(client)
    server.kick()
    await end
    expect(errors[0]).toBe('57P01')
    expect(server.sessions).toBe(0)
  })

  it('runs what a client sent before it left', async () => {
    const ran: string[] = []
    const server = await start({
      onStatement: (text) => {
        ran.push(text)
        return undefined
      },
    })
    const client = await connect(server)
    const query = client.query('insert into t values (1)').catch(() => {})
    client.connection.stream.end()
    await query
    expect(ran).toEqual(['insert into t values (1)'])
  })

  it('delivers notifications', async () => {
    const server = await start({
      onStatement: (text, session) => {
        if (text === 'select 1') session.notify('jobs', 'new')
        return undefined
      },
    })
    const client = await connect(server)
    const heard: unknown[] = []
    client.on('notification', ({ channel, payload }) => heard.push([channel, payload]))
    await client.query('listen jobs')
    await client.query('select 1')
    expect(heard).toEqual([['jobs', 'new']])
  })

  it('closes with sessions that hang, wait and sit idle', async () => {
    const server = await start({
      onStatement: (text) => (text === 'hang' ? { hang: true } : undefined),
    })
    const idle = await connect(server)
    const stuck = await connect(server)
    const waiting = await connect(server)
    const lost = [stuck.query('hang'), waiting.query('select pg_sleep(3600)')].map((query) =>
      expect(query).rejects.toThrow('terminated'),
    )
    await seen(server, 'select pg_sleep(3600)')
    const ends = [idle, stuck, waiting].map(ended)
    await server.close()
    await Promise.all(ends)
    await Promise.all(lost)
    expect(server.sessions).toBe(0)
  })
})
