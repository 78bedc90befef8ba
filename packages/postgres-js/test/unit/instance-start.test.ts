import { type ConnectContext, ConnectionSettings } from '@poolhouse/core/kit'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { instanceMaker, makeTemplate } from '../../src/instance.js'
import { InstanceStart } from '../../src/instance-start.js'
import type { PostgresModule } from '../../src/postgres-module.js'
import { StandInSocket } from '../../src/stand-in-socket.js'

const module = postgres as unknown as PostgresModule
const makeInstance = instanceMaker(module, makeTemplate(module))

const context: ConnectContext = {
  settings: new ConnectionSettings({
    endpoint: { host: 'db.example', port: 6543, database: 'shop' },
    user: 'app',
    password: undefined,
    applicationName: 'poolhouse-test',
    ssl: { mode: 'disable' },
    parameters: {},
  }),
  password: undefined,
  timeoutMs: 1_000,
  signal: new AbortController().signal,
  listener: {
    closed: () => undefined,
    notice: () => undefined,
    notification: () => undefined,
    parameter: () => undefined,
  },
}

describe('the start of an instance', () => {
  it('needs no socket, and sends its first message once there is one', async () => {
    let ask = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      ask = resolve
    })
    const start = new InstanceStart((parts) => {
      const socket = (): ReturnType<typeof parts.socket> => {
        ask()
        return parts.socket()
      }
      return makeInstance({ ...parts, socket })
    }, context)
    await asked
    const sent = await new Promise<Buffer>((resolve) => {
      const owner = {
        writable: true,
        write: (bytes: Buffer): boolean => {
          resolve(bytes)
          return true
        },
        end: (): void => undefined,
        pause: (): void => undefined,
      }
      const standIn = new StandInSocket(owner, 'db.example', 6543)
      start.goOn({ standIn, cancel: async () => undefined, fail: () => undefined })
    })
    // A start-up message of protocol 3.0.
    expect(sent.readUInt32BE(4)).toBe(196_608)
    expect(sent.toString('latin1')).toContain('application_name\0poolhouse-test\0')
    start.instance.dispose()
  })

  it('rejects its queries when no socket can be opened', async () => {
    const start = new InstanceStart(makeInstance, context)
    start.giveUp(new Error('refused'))
    const query = start.instance.sql.unsafe('select 1') as unknown as Promise<unknown>
    await expect(query).rejects.toMatchObject({ code: 'CONNECTION_ENDED' })
  })
})
