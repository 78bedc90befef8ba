import { expect, test } from 'vitest'
import type { SentStatement } from '../../../src/api/driver.js'
import { isPassedOver } from '../../../src/outcome/passed-over.js'
import type { FakeConnection } from '../../../src/testing/index.js'
import { acquireOne, type Harness, harness, sqlError } from '../../harness.js'

const told: string[] = []

function group(connection: FakeConnection, ...texts: string[]): readonly SentStatement[] {
  told.length = 0
  return texts.map((text) => ({
    statement: { text: text.replace(/\+$/, '') },
    joined: text.endsWith('+'),
    done: (error, result) => {
      const how =
        error === null
          ? result!.command
          : isPassedOver(error)
            ? 'passed over'
            : (error as { code?: string }).code
      told.push(`${text}: ${how}, ${connection.transactionStatus()}`)
    },
  }))
}

async function session(behaviour: Parameters<typeof harness>[1] = {}): Promise<{
  it: Harness
  connection: FakeConnection
}> {
  const it = harness({ max: 1 }, behaviour)
  await acquireOne(it)
  return { it, connection: it.session() }
}

test('answers joined statements together, and others one by one', async () => {
  const { it, connection } = await session()
  expect(connection.runTogether!(group(connection, 'begin+', 'select', 'commit'))).toBe(true)
  expect(connection.transactionStatus()).toBe('unknown')
  await it.clock.settle()
  expect(told).toEqual([
    'begin+: BEGIN, unknown',
    'select: SELECT, unknown',
    'commit: COMMIT, idle',
  ])
  expect(connection.statements.slice(-3)).toEqual(['begin', 'select', 'commit'])
})

test('passes over what stands behind a failure in the same step, and only that', async () => {
  const { it, connection } = await session({
    onStatement: ({ text }) => (text === 'bad' ? { error: sqlError('23505') } : undefined),
  })
  connection.runTogether!(group(connection, 'bad+', 'a+', 'b', 'c'))
  await it.clock.settle()
  expect(told).toEqual([
    'bad+: 23505, unknown',
    'a+: passed over, unknown',
    'b: passed over, unknown',
    'c: C, idle',
  ])
  expect(connection.statements.slice(-2)).toEqual(['bad', 'c'])
})

test('refuses several commands in one text and a copy, if they are joined', async () => {
  const { connection } = await session()
  expect(connection.runTogether!(group(connection, 'begin+', 'a; b'))).toBe(false)
  expect(connection.runTogether!(group(connection, 'begin+', 'copy t from stdin'))).toBe(false)
  expect(told).toEqual([])
  expect(connection.runTogether!(group(connection, 'a; b', 'c'))).toBe(true)
})

test('ends every statement that is left when its session is lost', async () => {
  const { it, connection } = await session({
    onStatement: ({ text }) => (text === 'die' ? { lose: 'crash' } : undefined),
  })
  connection.runTogether!(group(connection, 'a', 'die+', 'b'))
  await it.clock.settle()
  expect(told.map((line) => line.split(',')[0])).toEqual([
    'a: A',
    'die+: POOLHOUSE_CONNECTION_LOST',
    'b: POOLHOUSE_CONNECTION_LOST',
  ])
})

test('a cancel request ends the statement under way, and what is joined to it', async () => {
  const { it, connection } = await session({
    onStatement: ({ text }) => (text === 'slow' ? { hang: true } : undefined),
  })
  connection.runTogether!(group(connection, 'begin+', 'slow+', 'b', 'rollback'))
  await it.clock.settle()
  expect(told).toEqual([])
  void connection.cancel()
  await it.clock.settle()
  expect(told).toEqual([
    'begin+: BEGIN, unknown',
    'slow+: 57014, unknown',
    'b: passed over, unknown',
    'rollback: ROLLBACK, idle',
  ])
})

test('can be told to have no such thing, or to refuse', async () => {
  const { connection } = await session({ sendsTogether: 'never' })
  expect(connection.runTogether).toBeUndefined()
  const { connection: other } = await session({ sendsTogether: 'refused' })
  expect(other.runTogether!(group(other, 'a', 'b'))).toBe(false)
})
