import {
  type DatabaseError,
  NoSuitableNodeError,
  ReadIntentError,
  type StreamIterator,
} from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { runWith, withReplicas } from '../../../src/index.js'
import { lost, sqlError, unsent } from '../failures.js'
import type { FakePool } from '../fake-pool.js'
import { type Setting, startSetting } from '../setting.js'

const textsOf = (...pools: FakePool[]): string[] =>
  pools.flatMap((pool) => pool.asked.map(({ text }) => text))

/** Replicas that refuse some texts as a standby would. */
function refuse(
  { b, c }: Setting,
  code: string,
  which: (text: string) => boolean = () => true,
  message?: string,
): void {
  for (const replica of [b, c]) {
    replica.answer = ({ text }) => {
      if (text !== '(acquire)' && which(text)) throw sqlError(code, message)
    }
  }
}

async function drain(stream: StreamIterator<unknown>): Promise<void> {
  for await (const _one of stream);
}

describe('undeclared statements', () => {
  test('go to the primary without classify', async () => {
    const { db, primary, b, c } = await startSetting()
    await db.query('select 1')
    expect([textsOf(primary), textsOf(b, c)]).toEqual([['select 1'], []])
    expect(db.explainRoute('select 1')).toMatchObject({ target: 'primary', decidedBy: 'nothing' })
  })

  test('with classify go where their text says', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'conservative' })
    for (const text of ['select 1', 'select f(1)', 'insert into t values (1)']) await db.query(text)
    expect(textsOf(b, c)).toEqual(['select 1'])
    expect(textsOf(primary)).toEqual(['select f(1)', 'insert into t values (1)'])
    expect(db.stats().routing).toMatchObject({ classified: 1, replica: 1, write: 2, reruns: 0 })
  })

  test('S28: follow a hint even without classify, and are then declared reads', async () => {
    const setting = await startSetting()
    const { db, primary, b, c } = setting
    await db.query('/* poolhouse: read */ select f(1)')
    expect(textsOf(b, c)).toEqual(['/* poolhouse: read */ select f(1)'])
    refuse(setting, '25006')
    const write = db.query('-- poolhouse: read\ninsert into t values (1)')
    await expect(write).rejects.toBeInstanceOf(ReadIntentError)
    await expect(
      db.query("/* poolhouse: read */ select set_config('a', 'b', true)"),
    ).rejects.toThrow('"set_config" changes a setting of its session')
    await expect(db.query('/* poolhouse: raed */ select 1')).rejects.toThrow('did you mean "read"')
    const stream = db.stream('/* poolhouse: raed */ select 1')
    await expect(stream.next()).rejects.toThrow('did you mean "read"')
    expect(textsOf(primary)).toEqual([])
  })

  test('S28: ignore a hint in a parameter or after their first word', async () => {
    const { db, primary } = await startSetting({ classify: 'conservative' })
    await db.query('insert into t values ($1)', ['/* poolhouse: read */'])
    await db.query("insert into t values ('/* poolhouse: read */') /* poolhouse: read */")
    expect(textsOf(primary)).toHaveLength(2)
  })

  test('follow the call, the view or runWith before a hint or the text', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'optimistic' })
    await db.query('select 1', [], { intent: 'write' })
    await runWith({ intent: 'write' }, () => db.query('/* poolhouse: read */ select 2'))
    expect(textsOf(primary)).toEqual(['select 1', '/* poolhouse: read */ select 2'])
    await db.reader().query('/* poolhouse: write */ select 3')
    await runWith({ intent: 'read' }, () => db.query('select nextval($1)'))
    expect(textsOf(b, c).sort()).toEqual(['/* poolhouse: write */ select 3', 'select nextval($1)'])
    expect(db.explainRoute('select 1', { intent: 'write' }).decidedBy).toBe('call')
    const explained = runWith({ intent: 'read' }, () => db.explainRoute('insert'))
    expect(explained).toMatchObject({ target: 'replica', decidedBy: 'runWith' })
  })

  test('are explained, with what decided', async () => {
    const { db } = await startSetting({ classify: 'conservative' })
    expect(db.explainRoute("select nextval('s')")).toMatchObject({
      target: 'primary',
      node: 'a',
      decidedBy: 'text',
      token: { text: 'nextval', position: 7 },
      reason:
        'its text does not say that it only reads, "nextval" uses a sequence: it goes to the primary',
    })
    expect(db.explainRoute('select 1')).toMatchObject({ target: 'replica', decidedBy: 'text' })
    expect(db.explainRoute('select 1').reason).toMatch(
      /^by its text it only reads; 2 of 2 replicas fit .*: the strategy chose "[bc]"$/,
    )
    expect(db.explainRoute('/* poolhouse: write */ select 1')).toMatchObject({
      decidedBy: 'hint',
      reason: 'the comment before it says that it writes: it goes to the primary',
    })
  })

  test('are never classified inside a lease or a transaction', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'optimistic' })
    await db.transaction((tx) => tx.query('select 1'))
    await db.use(async () => {})
    expect(textsOf(primary)).toEqual(['select 1'])
    expect(textsOf(b, c)).toEqual([])
  })

  test('need a mode or a classifier for the option classify', async () => {
    const { primary } = await startSetting()
    expect(() => withReplicas(primary, [], { classify: 'careful' as never })).toThrow(
      'withReplicas: classify must be "conservative", "optimistic" or a classifier',
    )
    expect(() => withReplicas(primary, [], { classify: { mode: 'brave' } as never })).toThrow(
      TypeError,
    )
  })
})

describe('a statement that a replica refuses', () => {
  test('S27: runs once on the primary, and the same statements then go straight there', async () => {
    const setting = await startSetting({ classify: 'optimistic' })
    const { db, primary, b, c } = setting
    refuse(setting, '25006')
    expect((await db.query('select f(1)')).node).toBe('a')
    expect(textsOf(b, c)).toEqual(['select f(1)'])
    expect((await db.query('select f(2)')).node).toBe('a')
    expect(textsOf(b, c)).toEqual(['select f(1)'])
    expect(textsOf(primary)).toEqual(['select f(1)', 'select f(2)'])
    expect(db.stats().routing).toMatchObject({ classified: 1, reruns: 1, write: 2 })
    expect(db.explainRoute('select f(3)')).toMatchObject({
      decidedBy: 'experience',
      reason: 'a replica has refused such a statement before: it goes to the primary',
    })
  })

  test('S27: does so in the conservative mode too, because a view or an operator may write', async () => {
    const setting = await startSetting({ classify: 'conservative' })
    refuse(setting, '25006')
    expect((await setting.db.query('select * from numbered')).node).toBe('a')
    expect(setting.db.explainRoute('select * from numbered').decidedBy).toBe('experience')
  })

  test.each([
    ['0A000', 'cannot access temporary or unlogged relations during recovery'],
    ['55000', 'recovery is in progress'],
  ])(
    'S27: because a standby cannot run it (%s), is remembered if the primary can',
    async (code, message) => {
      const setting = await startSetting({ classify: 'optimistic' })
      const { db, primary } = setting
      refuse(setting, code, undefined, message)
      expect((await db.query('select f(1)')).node).toBe('a')
      expect(db.explainRoute('select f(1)').decidedBy).toBe('experience')
      primary.answer = () => {
        throw sqlError(code, 'here too')
      }
      await expect(db.query('select g(1)')).rejects.toThrow('here too')
      expect(db.explainRoute('select g(1)').decidedBy).toBe('text')
    },
  )

  test.each(['42P01', '42703', '42883'])(
    'because it has not replayed the object yet (%s), runs on the primary this time only',
    async (code) => {
      const setting = await startSetting({ classify: 'conservative' })
      const { db } = setting
      refuse(setting, code)
      expect((await db.query('select a from new_table')).node).toBe('a')
      expect(db.explainRoute('select a from new_table').target).toBe('replica')
    },
  )

  test.each(['22012', '0A000', '55000', 'XX000'])(
    'T62: for any other reason (%s) rejects with that error',
    async (code) => {
      const setting = await startSetting({ classify: 'optimistic' })
      refuse(setting, code)
      await expect(setting.db.query('select 1 / 0')).rejects.toMatchObject({ code })
      expect(textsOf(setting.primary)).toEqual([])
    },
  )

  test('keeps its time limit on the primary', async () => {
    const setting = await startSetting({ classify: 'optimistic' })
    const { db, primary, b, c, clock } = setting
    for (const replica of [b, c]) {
      replica.answer = async () => {
        await clock.advance(400)
        throw sqlError('25006')
      }
    }
    await db.query('select f(1)', [], { timeoutMs: 1_000 })
    expect(primary.asked.at(-1)?.options?.timeoutMs).toBe(600)
  })

  test('rejects with the unchanged error of the primary', async () => {
    const setting = await startSetting({ classify: 'optimistic' })
    refuse(setting, '25006')
    setting.primary.answer = () => {
      throw sqlError('25006', 'the primary is read-only')
    }
    const error: unknown = await setting.db.query('select f(1)').catch((reason: unknown) => reason)
    expect(error).not.toBeInstanceOf(ReadIntentError)
    expect((error as DatabaseError).code).toBe('25006')
  })
})

describe('a statement that no replica fits', () => {
  test('runs on the primary as an undeclared statement, without a transaction around it', async () => {
    const { db, primary } = await startSetting({ classify: 'optimistic', maxStalenessMs: 0 })
    expect((await db.query('select 1')).node).toBe('a')
    expect((await db.query('select f(1)')).node).toBe('a')
    expect(textsOf(primary)).toEqual(['select 1', 'select f(1)'])
    expect(db.stats().routing).toMatchObject({ primaryNoneFits: 1, classified: 1 })
  })

  test('says that its data were the newest, and is counted among the reads of the primary', async () => {
    const options = { classify: 'conservative', maxStalenessMs: 0, primaryShare: 0.2 } as const
    const { db, primary } = await startSetting(options)
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    const answered: (() => void)[] = []
    primary.answer = () => new Promise<void>((resolve) => answered.push(resolve))
    const reads = Array.from({ length: 4 }, (_, read) => db.query(`select ${read}`))
    await turn()
    expect(answered).toHaveLength(2)
    for (let over = 0; over < reads.length; over++) {
      answered[over]!()
      await turn()
    }
    for (const read of reads) expect(await read).toMatchObject({ node: 'a', stalenessMs: 0 })
    expect(db.stats().routing).toMatchObject({ primaryNoneFits: 4, classified: 4 })
  })

  test('gives its place on the primary back when it fails, and is sent once more if it was lost', async () => {
    const { db, primary } = await startSetting({ classify: 'conservative', maxStalenessMs: 0 })
    let failures = 0
    primary.answer = () => {
      if (failures++ % 2 === 0) throw lost()
    }
    for (let read = 0; read < 5; read++) {
      expect((await db.query(`select ${read}`)).node).toBe('a')
    }
    expect(failures).toBe(10)
    expect(db.stats().routing).toMatchObject({ retried: 5, primaryNoneFits: 10, reruns: 0 })
    primary.answer = () => {
      throw lost()
    }
    await expect(db.query('select 1')).rejects.toMatchObject({ executed: 'unknown' })
  })

  test('may use the primary if it may write', async () => {
    const options = { classify: 'optimistic', maxStalenessMs: 0, primaryShare: 0 } as const
    for (const more of [{}, { whenStale: 'error' as const }]) {
      const { db } = await startSetting({ ...options, ...more })
      expect((await db.query('select f(1)')).node).toBe('a')
      await expect(db.query('select 1', [], { timeoutMs: 1 })).rejects.toBeInstanceOf(
        NoSuitableNodeError,
      )
    }
    const { db, b, c } = await startSetting({ classify: 'optimistic', whenStale: 'error' })
    for (const replica of [b, c]) {
      replica.answer = () => {
        throw unsent()
      }
    }
    expect((await db.query('select f(1)')).node).toBe('a')
  })

  test('gets the errors of the primary unchanged', async () => {
    const { db, primary } = await startSetting({ classify: 'optimistic', maxStalenessMs: 0 })
    primary.answer = () => {
      throw sqlError('25006', 'the primary is read-only')
    }
    for (const text of ['select 1', 'select f(1)']) {
      await expect(db.query(text)).rejects.toMatchObject({ code: '25006' })
    }
    expect(textsOf(primary)).toEqual(['select 1', 'select f(1)'])
  })

  test('does not write to a replica that is the primary under another name', async () => {
    const { db, primary, b, c, clock } = await startSetting({ classify: 'optimistic' })
    for (const replica of [b, c]) replica.inRecovery = false
    for (const name of [primary, b, c]) name.startedAt = '1.5'
    await clock.advance(2_000)
    await db.query('select f(1)')
    expect(textsOf(b, c)).toEqual(['begin read only', 'select f(1)', 'rollback'])
  })
})

describe('a statement that is lost on a replica', () => {
  test('is sent again if it is certain to only read', async () => {
    const { db, b, c } = await startSetting({ classify: 'optimistic', strategy: 'roundRobin' })
    b.answer = () => {
      throw lost()
    }
    for (let call = 0; call < 2; call++) expect((await db.query('select 1')).node).toBe('c')
    expect(textsOf(c)).toEqual(['select 1', 'select 1'])
  })

  test('is not sent again if it may write, because the replica may just have been promoted', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'optimistic' })
    for (const replica of [b, c]) {
      replica.answer = () => {
        throw lost()
      }
    }
    await expect(db.query('select f(1)')).rejects.toMatchObject({ executed: 'unknown' })
    expect(textsOf(primary, b, c)).toEqual(['select f(1)'])
  })

  test('moves to another node if it was not sent, or was cancelled in favour of replay', async () => {
    for (const error of [unsent(), sqlError('40001')]) {
      const { db, b, c } = await startSetting({ classify: 'optimistic', strategy: 'roundRobin' })
      b.answer = () => {
        throw error
      }
      for (let call = 0; call < 2; call++) expect((await db.query('select f(1)')).node).toBe('c')
      expect(textsOf(c)).toEqual(['select f(1)', 'select f(1)'])
    }
  })

  test('is sent to only one replica if it may write, even with hedgeAfterMs', async () => {
    const { db, b, c, clock } = await startSetting({ classify: 'optimistic', hedgeAfterMs: 10 })
    for (const replica of [b, c]) {
      replica.answer = async () => {
        await clock.advance(100)
      }
    }
    await db.query('select f(1)')
    expect(textsOf(b, c)).toEqual(['select f(1)'])
  })
})

describe('a stream or a copy', () => {
  test('S23: goes to a replica if it is certain to only read', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'optimistic' })
    await drain(db.stream('select 1'))
    await drain(db.copyTo('copy t to stdout'))
    await drain(db.stream('select f(1)'))
    await drain(db.copyTo('copy (insert into t values (1) returning 1) to stdout'))
    expect(textsOf(b, c).sort()).toEqual(['copy t to stdout', 'select 1'])
    expect(textsOf(primary)).toHaveLength(2)
  })

  test('begins again on the primary if the replica refuses it, and the same statements then begin there', async () => {
    const setting = await startSetting({ classify: 'conservative' })
    const { db, primary, b, c } = setting
    refuse(setting, '25006')
    await drain(db.stream('select * from numbered'))
    await drain(db.stream('select * from numbered'))
    expect(textsOf(b, c)).toEqual(['select * from numbered'])
    expect(textsOf(primary)).toEqual(['select * from numbered', 'select * from numbered'])
    refuse(setting, '42P01')
    await drain(db.copyTo('copy new_table to stdout'))
    expect(textsOf(primary).at(-1)).toBe('copy new_table to stdout')
  })

  test('T55: on a session too, a copy that begins again on the primary keeps what is left of its limit', async () => {
    const setting = await startSetting({ classify: 'conservative' })
    const { clock, primary, b, c } = setting
    for (const replica of [b, c]) {
      replica.answer = async ({ text }) => {
        if (text === '(acquire)') return
        await clock.advance(400)
        throw sqlError('25006')
      }
    }
    await drain(setting.db.session().copyTo('copy t to stdout', { timeoutMs: 1_000 }))
    expect(primary.acquired.at(-1)).toMatchObject({ timeoutMs: 600 })
  })

  test('rejects with any other error unchanged', async () => {
    const setting = await startSetting({ classify: 'conservative' })
    refuse(setting, '22012')
    await expect(setting.db.stream('select 1').next()).rejects.toMatchObject({ code: '22012' })
    expect(textsOf(setting.primary)).toEqual([])
  })

  test('allows several next() calls at once, and an early end', async () => {
    const setting = await startSetting({ classify: 'conservative' })
    refuse(setting, '25006')
    const stream = setting.db.stream('select * from numbered')
    const parts = await Promise.all([stream.next(), stream.next(), stream.next()])
    expect(parts.every(({ done }) => done)).toBe(true)
    const ended = setting.db.stream('select 1')
    await ended.return()
    expect(await ended.next()).toEqual({ done: true, value: undefined })
    const early = setting.db.stream('select * from other')
    const first = early.next()
    await early.return()
    await expect(Promise.allSettled([first])).resolves.toHaveLength(1)
  })

  test('is declared a read or a write by a hint or by runWith', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'conservative' })
    await drain(db.stream('/* poolhouse: read */ select f(1)'))
    await drain(db.stream('/* poolhouse: write */ select 1'))
    await runWith({ intent: 'write' }, () => drain(db.copyTo('copy t to stdout')))
    await runWith({ intent: 'read' }, () => drain(db.copyTo('copy u to stdout')))
    expect(textsOf(b, c).sort()).toEqual(['/* poolhouse: read */ select f(1)', 'copy u to stdout'])
    expect(textsOf(primary)).toEqual(['/* poolhouse: write */ select 1', 'copy t to stdout'])
  })
})

describe('a session of a pool with classify', () => {
  test('S47: reads its own writes without any declaration', async () => {
    const setting = await startSetting({ classify: 'optimistic' })
    const { db, primary, b, c, clock } = setting
    const session = db.session()
    expect(session.hasWritten).toBe(false)
    expect((await session.query('select 1')).node).not.toBe('a')
    expect(session.hasWritten).toBe(false)
    primary.answer = ({ text }) => {
      if (text.startsWith('insert')) primary.position += 100
    }
    await session.query('insert into t values (1)')
    expect(session.hasWritten).toBe(true)
    const read = session.query('select 2')
    await clock.advance(200)
    expect((await read).node).toBe('a')
    for (const replica of [b, c]) replica.position = primary.position
    await clock.advance(2_000)
    expect((await session.query('select 3')).node).not.toBe('a')
    await drain(session.stream('select 4'))
    await drain(session.copyTo('copy t to stdout'))
    expect(textsOf(b, c)).toContain('select 4')
    expect(textsOf(b, c)).toContain('copy t to stdout')
  })

  test('counts through runWith too', async () => {
    const { db, primary, b, c } = await startSetting({ classify: 'optimistic' })
    const session = db.session()
    await runWith({ session }, async () => {
      await db.query('select 1')
      await db.query('insert into t values (1)')
      await drain(db.copyTo('copy t to stdout'))
    })
    expect(session.hasWritten).toBe(true)
    expect(textsOf(b, c)).toContain('select 1')
    expect(textsOf(primary)).toContain('insert into t values (1)')
  })

  test('S27: knows the position of a statement that a replica refused and the primary ran', async () => {
    const setting = await startSetting({ classify: 'optimistic' })
    const { db, primary } = setting
    refuse(setting, '25006', (text) => text.includes('f('))
    primary.answer = ({ text }) => {
      if (text.includes('f(')) primary.position += 100
    }
    const session = db.session()
    expect((await session.query('select f(1)')).node).toBe('a')
    expect(session.hasWritten).toBe(true)
    const read = session.query('select 2')
    await setting.clock.advance(200)
    expect((await read).node).toBe('a')
  })
})
