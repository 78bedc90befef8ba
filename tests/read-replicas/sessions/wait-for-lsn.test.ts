import { createPool, type Driver } from '@poolhouse/core'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import { startWireServer, type WireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { untilFitting } from '../replica-cluster.js'

// Both servers begin at 0/3000060.
const AFTER = '0/3000100'

/** A primary and a replica that play their parts, and pools over them. */
interface Stage extends AsyncDisposable {
  readonly primary: WireServer
  readonly replica: WireServer
  readonly db: ReplicaPool
}

/** What the replica answers to `WAIT FOR LSN`: one of the statuses, or an SQLSTATE. */
async function stage(
  driver: Driver,
  answer: (replica: WireServer) => { status: string } | { code: string },
  serverVersion = '19.1',
): Promise<Stage> {
  const [primary, replica] = await Promise.all([startWireServer(), startWireServer()])
  primary.onStatement = (text) => {
    if (text.startsWith('insert')) primary.state.lsn = AFTER
    return undefined
  }
  replica.setRole('replica')
  replica.state.serverVersion = serverVersion
  replica.onStatement = (text) => {
    if (!text.startsWith('WAIT')) return undefined
    const given = answer(replica)
    if ('status' in given) return { rows: [given] }
    return { error: { code: given.code, message: 'syntax error at or near "WAIT"' } }
  }
  const poolOf = (name: string, { url }: WireServer) =>
    createPool({ driver, connection: url, name, max: 4 })
  const db = withReplicas(poolOf('a', primary), [poolOf('b', replica)], { waitForTokenMs: 500 })
  await untilFitting(db, ['b'])
  return {
    primary,
    replica,
    db,
    async [Symbol.asyncDispose]() {
      await db.close({ timeoutMs: 500 })
      await Promise.all([primary.close(), replica.close()])
    },
  }
}

/** Writes in a session, reads in it, and returns who answered. */
async function nodeOfRead(db: ReplicaPool): Promise<string | undefined> {
  const session = db.session()
  await session.query('insert into notes values (1)')
  return (await session.reader().query('select 1')).node
}

const waitsOf = ({ statements }: WireServer): string[] =>
  statements.map(({ text }) => text).filter((text) => text.startsWith('WAIT'))

describe('WAIT FOR LSN', () => {
  it.each(DRIVERS)('S54: success means that the replica answers over $driver', async ({ make }) => {
    await using on = await stage(make(), (replica) => {
      replica.state.lsn = AFTER
      return { status: 'success' }
    })
    expect(await nodeOfRead(on.db)).toBe('b')
    expect(waitsOf(on.replica)).toEqual([
      `WAIT FOR LSN '${AFTER}' WITH (MODE 'standby_replay', TIMEOUT '100ms', NO_THROW)`,
    ])
  })

  it.each(DRIVERS)('S54: timeout means that another one does over $driver', async ({ make }) => {
    await using on = await stage(make(), () => ({ status: 'timeout' }))
    expect(await nodeOfRead(on.db)).toBe('a')
    expect(waitsOf(on.replica).length).toBeGreaterThan(0)
  })

  it.each(DRIVERS)(
    'S54: not in recovery means that it is looked at anew, on its new timeline over $driver',
    async ({ make }) => {
      await using on = await stage(make(), (replica) => {
        replica.setRole('primary')
        replica.state.timeline = 2
        replica.state.lsn = '0/9000000'
        return { status: 'not in recovery' }
      })
      expect(await nodeOfRead(on.db)).toBe('a')
    },
  )

  it.each(DRIVERS)(
    'S54: is left alone by who was refused once, and read positions do instead over $driver',
    async ({ make }) => {
      await using on = await stage(make(), () => ({ code: '42601' }))
      const { replica, db } = on
      const session = db.session()
      await session.query('insert into notes values (1)')
      const read = session.reader().query('select 1')
      while (waitsOf(replica).length === 0) await new Promise((resolve) => setImmediate(resolve))
      replica.state.lsn = AFTER
      expect((await read).node).toBe('b')
      on.primary.state.lsn = '0/3000200'
      await session.query('update notes set id = 2')
      expect(await session.caughtUp({ waitMs: 100 })).toBe(false)
      expect(waitsOf(replica)).toHaveLength(1)
    },
  )

  it.each(DRIVERS)('S54: is not asked of a server before 19 over $driver', async ({ make }) => {
    await using on = await stage(make(), () => ({ status: 'success' }), '18.4')
    expect(await nodeOfRead(on.db)).toBe('a')
    expect(waitsOf(on.replica)).toEqual([])
  })
})
