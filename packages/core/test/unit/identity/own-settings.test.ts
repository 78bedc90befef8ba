import { expect, test } from 'vitest'
import { OwnQuestion } from '../../../src/identity/own-settings.js'
import { DatabaseError } from '../../../src/outcome/database-error.js'

const refusal = (code: string, routine?: string): DatabaseError =>
  new DatabaseError('cannot use serializable mode in a hot standby', {
    code,
    severity: 'ERROR',
    routine,
  })

test.each([
  ['0A000', 'GetSerializableTransactionSnapshot', true],
  ['57014', 'ProcessInterrupts', false],
  ['55P03', 'ProcSleep', false],
] as const)(
  'T63: a question that is refused with %s brings settings of its own along, from then on at once',
  async (code, routine, serializable) => {
    const asked: string[] = []
    const own = new OwnQuestion()
    const run = (text: string): Promise<number> => {
      asked.push(text)
      return text === 'select 1' ? Promise.reject(refusal(code, routine)) : Promise.resolve(1)
    }
    expect(await own.ask('select 1', run)).toBe(1)
    expect(await own.ask('select 1', run)).toBe(1)
    expect(asked).toHaveLength(3)
    expect(asked[2]).toMatch(
      /^set transaction isolation level read committed; set local .*; select 1$/,
    )
    expect(own.serializable).toBe(serializable)
  },
)

test('T63: a question that is refused for other reasons, or twice, is not asked differently', async () => {
  const own = new OwnQuestion()
  const missing = refusal('42883')
  await expect(own.ask('select 1', () => Promise.reject(missing))).rejects.toBe(missing)
  const cancelled = refusal('57014')
  const asked: string[] = []
  const run = (text: string): Promise<never> => {
    asked.push(text)
    return Promise.reject(cancelled)
  }
  await expect(own.ask('select 1', run)).rejects.toBe(cancelled)
  await expect(own.ask('select 1', run)).rejects.toBe(cancelled)
  expect(asked.filter((text) => text === 'select 1')).toHaveLength(2)
})
