import { DatabaseError, PoolClosedError } from '@poolhouse/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { Background } from '../../../src/base/background.js'
import { NodeSampler } from '../../../src/position/node-sampler.js'
import {
  PRIMARY_POSITION_STATEMENT,
  SAMPLE_STATEMENT,
  STANDBY_POSITION_STATEMENT,
} from '../../../src/position/sample-statement.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'

const WHOLE = SAMPLE_STATEMENT

let clock: ManualClock
let pool: FakePool
let sampler: NodeSampler

beforeEach(() => {
  clock = new ManualClock()
  pool = new FakePool('b')
  sampler = new NodeSampler(pool, new Background('test', clock), {
    sampled: () => {},
    failed: () => {},
    nextDelayMs: () => Number.POSITIVE_INFINITY,
  })
})

describe('a sampler that is polled repeatedly', () => {
  test.each([
    ['standby', true, STANDBY_POSITION_STATEMENT.text],
    ['primary', false, PRIMARY_POSITION_STATEMENT.text],
  ])('asks a %s for the position alone for a second', async (_, inRecovery, brief) => {
    pool.inRecovery = inRecovery
    await sampler.poll()
    await clock.advance(999)
    pool.position = 2_000
    expect((await sampler.poll()).lsn).toBe(2_000n)
    await clock.advance(1)
    await sampler.poll()
    expect(pool.questions).toEqual([WHOLE, brief, WHOLE])
  })

  test('knows the exact timeline of a standby only from a whole sample', async () => {
    expect(await sampler.poll()).toMatchObject({ timeline: 1, exact: true })
    pool.timeline = 2
    expect(await sampler.poll()).toMatchObject({ timeline: 1, exact: false })
    expect(await sampler.poll(true)).toMatchObject({ timeline: 2, exact: true })
  })

  test('takes a whole sample for all callers if one of them wants it', async () => {
    await sampler.poll()
    await Promise.all([sampler.poll(), sampler.poll(true), sampler.poll()])
    expect(pool.questions.at(-1)).toBe(WHOLE)
  })

  test('takes a whole sample of a standby that has been promoted', async () => {
    await sampler.poll()
    pool.inRecovery = false
    pool.timeline = 2
    expect(await sampler.poll()).toMatchObject({ timeline: 2, exact: true, inRecovery: false })
    expect(pool.questions).toEqual([WHOLE, STANDBY_POSITION_STATEMENT.text, WHOLE])
  })

  test('takes a whole sample when another process answers, as behind a pooler', async () => {
    await sampler.poll()
    pool.backendPid = 2
    pool.timeline = 2
    expect(await sampler.poll()).toMatchObject({ timeline: 2, exact: true })
    expect(pool.questions).toEqual([WHOLE, STANDBY_POSITION_STATEMENT.text, WHOLE])
  })

  test('takes a whole sample after a pooler has moved it to a server without its prepared statement', async () => {
    await sampler.poll()
    pool.refusal = new DatabaseError('no such prepared statement', {
      code: '26000',
      severity: 'ERROR',
    })
    pool.position = 2_000
    expect((await sampler.poll()).lsn).toBe(2_000n)
    expect(pool.questions).toEqual([WHOLE, STANDBY_POSITION_STATEMENT.text, WHOLE])
    expect(pool.sessions).toHaveLength(1)
  })

  test('takes a whole sample after its session was lost', async () => {
    await sampler.poll()
    await pool.sessions[0]!.close()
    await settle()
    await sampler.poll()
    expect(pool.questions[1]).toBe(WHOLE)
  })
})

test('a sampler that has stopped refuses to ask', async () => {
  sampler.stop()
  await expect(sampler.poll()).rejects.toBeInstanceOf(PoolClosedError)
})
