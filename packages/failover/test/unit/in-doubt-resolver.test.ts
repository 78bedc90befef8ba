import { DatabaseError, type InDoubtError, type Statement } from '@poolhouse/core'
import type { FakeReply } from '@poolhouse/core/testing'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { outcomeOf } from '../../src/in-doubt-resolver.js'
import type { FailoverPool } from '../../src/index.js'
import {
  a,
  b,
  clock,
  failover,
  listen,
  makeCluster,
  race,
  ready,
  watch,
} from './support/fake-cluster.js'

describe('what the primary says proves', () => {
  const facts = { systemId: 's', timeline: 2, crashed: false, status: 'committed' } as const

  test.each([
    ['on the same timeline', {}, ['committed', 'aborted', undefined, 'unknown', 'unknown']],
    [
      'on the same timeline, after a crash',
      { crashed: true },
      ['unknown', 'aborted', 'aborted', 'aborted', 'unknown'],
    ],
    ['on a later timeline', { timeline: 3 }, ['history', 'lost', 'lost', 'lost', 'history']],
    [
      'on an earlier timeline',
      { timeline: 1 },
      [undefined, undefined, undefined, undefined, undefined],
    ],
    [
      'of another system',
      { systemId: 'other' },
      ['unknown', 'unknown', 'unknown', 'unknown', 'unknown'],
    ],
  ] as const)('%s', (_title, change, outcomes) => {
    const statuses = ['committed', 'aborted', 'in progress', 'future', undefined] as const
    for (const [index, status] of statuses.entries()) {
      expect(outcomeOf({ ...facts, ...change, status }, { timeline: 2 }, 's'), status).toBe(
        outcomes[index],
      )
    }
  })

  const ran = { timeline: 2, startedAt: '10.5', place: '10.0.0.1:5432' }
  const here = { ...facts, ...ran }

  test.each([
    ['by the server in the same life', {}, 'committed'],
    ['after a restart at the same address', { startedAt: '20.5', isYounger: true }, 'committed'],
    [
      'by a server at that address that was up already',
      { startedAt: '9.5', isYounger: false },
      'unknown',
    ],
    [
      'by another server',
      { startedAt: '20.5', isYounger: true, place: '10.0.0.2:5432' },
      'unknown',
    ],
  ] as const)('T61, T64: what committed means, said %s', (_title, change, outcome) => {
    expect(outcomeOf({ ...here, ...change }, ran, 's')).toBe(outcome)
  })

  test('T64: it is lost if another server does not say committed', () => {
    const other = { ...here, startedAt: '9.5', place: '10.0.0.2:5432' }
    for (const status of ['aborted', 'in progress', 'future'] as const) {
      expect(outcomeOf({ ...other, status }, ran, 's')).toBe('lost')
    }
  })

  test('T64: it is lost on a timeline of the same number that began elsewhere', () => {
    expect(outcomeOf({ ...here, begin: 5n }, { ...ran, begin: 4n }, 's')).toBe('lost')
    expect(outcomeOf({ ...here, begin: 5n }, { ...ran, begin: 5n }, 's')).toBe('committed')
  })

  test('it is unknown if the system was not known', () => {
    expect(outcomeOf(facts, { timeline: 2 }, undefined)).toBe('unknown')
  })
})

describe('resolve', () => {
  beforeEach(makeCluster)

  interface Answers {
    status?: string | null | Error
    crashed?: boolean
    history?: string
  }

  /** Makes the server answer the statements of a resolver, and records them in `asked`. */
  function answering(server: typeof a, answers: Answers, asked: Statement[] = []): Statement[] {
    server.script = (statement): FakeReply | undefined => {
      const { text } = statement
      if (text === 'COMMIT' && server === a) return { lose: 'reset' }
      if (!/system_id,|pg_terminate|pg_xact_status|pg_read_file/.test(text)) return undefined
      asked.push(statement)
      if (text.includes('system_id')) {
        const { wal_file } = server.identity()
        const crashed = String(answers.crashed ?? false)
        return { rows: [{ system_id: server.systemId, wal_file, crashed }] }
      }
      if (text.includes('pg_xact_status')) {
        const { status } = answers
        return status instanceof Error ? { error: status } : { rows: [{ status }] }
      }
      if (text.includes('pg_read_file')) {
        return answers.history === undefined
          ? { error: sqlError('42501') }
          : { rows: [{ history: answers.history }] }
      }
      return { rows: [] }
    }
    return asked
  }

  async function doubt(pool: FailoverPool): Promise<InDoubtError> {
    const call = watch(pool.transaction((tx) => tx.query('insert 1')))
    await clock.advance(20)
    expect(call.error).toMatchObject({ name: 'InDoubtError' })
    a.script = undefined
    return call.error as InDoubtError
  }

  it('S75, S78: terminates the backend of the transaction, waits while it is in progress, and returns its outcome', async () => {
    const pool = failover()
    await ready(pool)
    answering(a, {})
    const error = await doubt(pool)
    const answers: Answers = { status: 'in progress' }
    const asked = answering(a, answers)
    a.script = guardCommit(a.script!)
    const outcome = watch(error.resolve())
    await clock.advance(4_000)
    expect(outcome).toEqual({})
    const ends = asked.filter(({ text }) => text.includes('pg_terminate'))
    // A COMMIT that waits for synchronous standbys is spared for three seconds.
    expect(ends[0]?.values).toEqual(['4711', '701', '2026-01-02 00:00:00+00', 'false'])
    expect(ends.at(-1)?.values?.at(-1)).toBe('true')
    answers.status = 'committed'
    await clock.advance(300)
    expect(outcome.value).toBe('committed')
    await pool.close()
  })

  it('waits for a primary, and does not accept "committed" from a later timeline', async () => {
    const pool = failover()
    await ready(pool)
    answering(a, {})
    const error = await doubt(pool)
    a.kill()
    const outcome = watch(error.resolve())
    await clock.advance(1_000)
    expect(outcome).toEqual({})
    b.promote()
    const asked = answering(b, { status: 'committed' })
    await clock.advance(1_000)
    expect(outcome.value).toBe('unknown')
    expect(asked.some(({ text }) => text.includes('pg_terminate'))).toBe(false)
    expect(asked.at(-1)?.values).toEqual(['pg_wal/00000002.history'])

    // Begun at 0/3000000.
    answering(b, { status: 'committed', history: '1\t0/3000001\tno recovery target' })
    expect(await race(error.resolve())).toBe('unknown')
    answering(b, { status: 'committed', history: '1\t0/3000000\tno recovery target' })
    expect(await race(error.resolve())).toBe('lost')
    await pool.close()
  })

  it('returns lost for an xid that the server has not assigned yet', async () => {
    const pool = failover()
    await ready(pool)
    answering(a, {})
    const error = await doubt(pool)
    a.kill()
    b.promote()
    answering(b, { status: sqlError('22023') })
    expect(await race(error.resolve())).toBe('lost')
    await pool.close()
  })

  it('goes on after errors, and returns unknown when its time is over', async () => {
    const pool = failover()
    await ready(pool)
    answering(a, {})
    const error = await doubt(pool)
    a.script = ({ text }) => (text.includes('system_id') ? { lose: 'reset' } : undefined)
    const short = watch(error.resolve({ timeoutMs: 800 }))
    const long = watch(error.resolve())
    await clock.advance(1_100)
    expect(short.value).toBe('unknown')
    expect(long).toEqual({})
    answering(a, { status: 'aborted' })
    a.script = guardCommit(a.script!)
    await clock.advance(500)
    expect(long.value).toBe('aborted')
    await pool.close()
  })

  it('ends at once when its signal fires, or with the pool', async () => {
    const pool = failover()
    await ready(pool)
    answering(a, {})
    const error = await doubt(pool)
    a.kill()
    await clock.advance(500)
    const abort = new AbortController()
    const aborted = watch(error.resolve({ signal: abort.signal }))
    await clock.advance(100)
    abort.abort('enough')
    await clock.advance(1)
    expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'unknown' })
    const left = watch(error.resolve({ timeoutMs: 1_000 }))
    await pool.close()
    await clock.advance(1_000)
    expect(left.value).toBe('unknown')
  })

  it('is not possible with fence: off, and then BEGIN asks for no identity', async () => {
    const pool = failover({ fence: 'off' })
    await ready(pool)
    let begin = ''
    a.script = ({ text }) => {
      if (text.startsWith('BEGIN')) begin = text
      return text === 'COMMIT' ? { lose: 'reset' } : undefined
    }
    const error = await doubt(pool)
    expect(begin).toBe('BEGIN')
    expect(await error.resolve()).toBe('unknown')
    await pool.close()
  })

  /** COMMIT of the resolver's own transaction is answered. */
  function guardCommit(script: NonNullable<typeof a.script>): NonNullable<typeof a.script> {
    return (statement) => (statement.text === 'COMMIT' ? undefined : script(statement))
  }
})

describe('a transaction with a key', () => {
  beforeEach(makeCluster)

  it('is tried on the new primary after a COMMIT without an answer, without an in-doubt event', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'in-doubt')
    const inserted = { rows: [{ xid: '1', pid: '2', started_at: 'then' }], command: 'INSERT' }
    b.script = ({ text }) => (text.startsWith('insert into poolhouse') ? inserted : undefined)
    a.script = ({ text }) => {
      if (text !== 'COMMIT') return b.script!({ text })
      a.kill()
      b.promote()
      return undefined
    }
    let runs = 0
    const call = watch(
      pool.transaction(
        async (tx) => {
          runs++
          return (await tx.query('insert 1')).node
        },
        { idempotencyKey: 'k' },
      ),
    )
    await clock.advance(1_000)
    expect(call.value).toBe('b')
    expect(runs).toBe(2)
    expect(heard).toEqual([])
    await pool.close()
  })

  it('is in doubt, with one event, if no primary is found in time', async () => {
    const pool = failover({ hold: { timeoutMs: 2_000 } })
    await ready(pool)
    const heard = listen(pool, 'in-doubt')
    a.script = ({ text }) => {
      if (text.startsWith('insert into poolhouse')) return { rows: [{ xid: '1' }] }
      if (text === 'COMMIT') a.kill()
      return undefined
    }
    const call = watch(pool.transaction((tx) => tx.query('insert 1'), { idempotencyKey: 'k' }))
    await clock.advance(1_900)
    expect(call).toEqual({})
    await clock.advance(200)
    expect(call.error).toMatchObject({ name: 'InDoubtError' })
    expect(heard).toMatchObject([{ node: 'a' }])
    await pool.close()
  })

  it('is refused at once with wrong options, even while there is no primary', async () => {
    const pool = failover()
    const call = pool.transaction(async () => {}, { idempotencyKey: '' })
    await expect(call).rejects.toBeInstanceOf(RangeError)
    await pool.close()
  })
})

function sqlError(code: string): DatabaseError {
  return new DatabaseError(`error ${code}`, { code, severity: 'ERROR' })
}
