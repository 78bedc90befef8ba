import { DatabaseError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { knowsLsnWait } from '../../../src/position/lsn-wait.js'
import { settle } from '../manual-clock.js'
import { type Setting, startSetting } from '../setting.js'

/**
 * A setting with replicas of this version, and a primary that has committed something that none of
 * them has replayed.
 */
async function start(serverVersion = '19.1'): Promise<Setting & { token: string }> {
  const setting = await startSetting({ waitForTokenMs: 400 })
  const { primary, b, c, clock } = setting
  for (const pool of [b, c]) {
    pool.serverVersion = serverVersion
    // Like a server that answers only when the time is over.
    pool.waitFor = (text) => pause(setting, Number(/TIMEOUT '(\d+)ms'/.exec(text)![1]), 'timeout')
  }
  await clock.advance(1_000)
  primary.position = 0x9000
  return { ...setting, token: `v1.${primary.systemId}.1.9000` }
}

function pause({ clock }: Setting, ms: number, status: string): Promise<string> {
  return new Promise((resolve) => {
    clock.setTimer(() => resolve(status), ms)
  })
}

describe('the version of a server', () => {
  test.each([
    ['19', true],
    ['19.1', true],
    ['19beta2', true],
    ['20devel', true],
    ['18.4', false],
    ['9.6.24', false],
    ['', false],
    [undefined, false],
  ])('%s: knows WAIT FOR LSN is %s', (version, knows) => {
    expect(knowsLsnWait(version)).toBe(knows)
  })
})

describe('a read that waits for a replica that knows WAIT FOR LSN', () => {
  test('S54: goes on when the replica reports the position, without polling', async () => {
    const setting = await start()
    const { db, b, c, clock, token } = setting
    let reached: (status: string) => void = () => {}
    c.waitFor = () =>
      new Promise((resolve) => {
        reached = resolve
      })
    const polls = c.polls
    const read = db.session(token).reader().query('select 1')
    await clock.advance(60)
    expect(c.polls).toBe(polls + 1)
    expect(c.waits).toEqual([
      `WAIT FOR LSN '0/9000' WITH (MODE 'standby_replay', TIMEOUT '100ms', NO_THROW)`,
    ])
    c.position = 0x9000
    reached('success')
    await settle()
    expect((await read).node).toBe('c')
    expect(b.waits.length).toBeGreaterThan(0)
  })

  test('S54: goes to the primary in the end if the replica reports a timeout', async () => {
    const setting = await start()
    const { db, c, clock, token } = setting
    const polls = c.polls
    const read = db.session(token).reader().query('select 1')
    await clock.advance(500)
    expect((await read).node).toBe('a')
    expect(c.waits).toHaveLength(4)
    // One sample before each wait, and those of the monitor.
    expect(c.polls - polls).toBeLessThanOrEqual(6)
  })

  test('S54: samples a promoted server again, because its report is no proof', async () => {
    const setting = await start()
    const { db, b, c, clock, token } = setting
    b.waitFor = () => new Promise(() => {})
    c.waitFor = () => 'not in recovery'
    c.inRecovery = false
    c.timeline = 2
    c.position = 0xb000
    const read = db.session(token).reader().query('select 1')
    await clock.advance(500)
    // Its timeline may have begun before the token's position, however far it has replayed.
    expect((await read).node).toBe('a')
  })

  test('S54: does not accept a server that has reached the position on another timeline', async () => {
    const setting = await start()
    const { db, primary, b, c, clock } = setting
    primary.timeline = 2
    await clock.advance(1_000)
    for (const pool of [b, c]) {
      pool.position = 0xa000
      pool.waitFor = () => 'success'
    }
    const token = `v1.${primary.systemId}.2.9000`
    const read = db.session(token).reader().query('select 1')
    await clock.advance(500)
    expect((await read).node).toBe('a')
    // It answers at once each time, and that must not make a busy loop.
    expect(c.waits.length).toBeLessThan(60)
  })

  test('S54: polls if the statement is refused, and does not send it again', async () => {
    const setting = await start()
    const { db, c, clock, token } = setting
    c.waitFor = () => {
      throw new DatabaseError('syntax error at or near "WAIT"', {
        code: '42601',
        severity: 'ERROR',
      })
    }
    const read = db.session(token).reader().query('select 1')
    await clock.advance(60)
    c.position = 0x9000
    await clock.advance(30)
    expect((await read).node).toBe('c')
    expect(c.waits).toHaveLength(1)
  })

  test('S54: goes on at once if the replica has its position, while another read waits for a later one', async () => {
    const setting = await start()
    const { db, primary, b, c, clock, token } = setting
    b.waitFor = () => new Promise(() => {})
    c.waitFor = () => new Promise(() => {})
    const late = db.session(token).reader().query('select 1')
    await clock.advance(10)
    c.position = 0x5000
    const early = db.session(`v1.${primary.systemId}.1.4000`).reader().query('select 1')
    await settle()
    expect((await early).node).toBe('c')
    await clock.advance(500)
    expect((await late).node).toBe('a')
  })

  test('S54: does not send the statement to a server before version 19', async () => {
    const setting = await start('18.4')
    const { db, c, clock, token } = setting
    const read = db.session(token).reader().query('select 1')
    await clock.advance(500)
    expect((await read).node).toBe('a')
    expect(c.waits).toEqual([])
    expect(c.polls).toBeGreaterThan(20)
  })
})
