import { startWireServer, type WireScript } from '@poolhouse/testkit'
import { describe, expect, test } from 'vitest'
import { RawClient } from '../src/wire/raw-client.js'

const TEXT = 'select id, note from notes where id = $1'

/** Answers with the value and a note about it; refuses the value 13, and closes at 99. */
const script: WireScript = {
  onStatement: (text, _session, [value]) => {
    if (text !== TEXT) return undefined
    if (value === '13') return { error: { code: '22000', message: 'thirteen is not looked up' } }
    if (value === '99') return { close: true }
    return {
      columns: [
        { name: 'id', type: 'int4' },
        { name: 'note', type: 'text' },
      ],
      rows: (values) => [
        { id: Number(values[0]), note: values[0] === '7' ? null : `ü${values[0]}` },
      ],
    }
  },
}

describe('RawClient', () => {
  test('gives each of thousands of calls at once its own row', async () => {
    await using server = await startWireServer(script)
    const client = await RawClient.open(server.url, TEXT, 2)
    const keys = Array.from({ length: 5_000 }, (_, at) => (at % 2 === 0 ? at + 100 : -at - 100))
    const answers = await Promise.all(keys.map((key) => client.run(String(key))))
    expect(answers).toEqual(keys.map((key) => [{ id: key, note: `ü${key}` }]))
    expect(server.connections).toBe(2)
    await client.close()
  })

  test('gives null where the server does', async () => {
    await using server = await startWireServer(script)
    const client = await RawClient.open(server.url, TEXT, 1)
    expect(await client.run('7')).toEqual([{ id: 7, note: null }])
    await client.close()
  })

  test('rejects the call that the server refuses, and no other one', async () => {
    await using server = await startWireServer(script)
    const client = await RawClient.open(server.url, TEXT, 1)
    const outcomes = await Promise.allSettled(['12', '13', '14'].map((key) => client.run(key)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await client.close()
  })

  test('rejects every call without an answer when the connection is lost', async () => {
    await using server = await startWireServer(script)
    const client = await RawClient.open(server.url, TEXT, 1)
    const outcomes = await Promise.allSettled(['12', '99', '14'].map((key) => client.run(key)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  })
})
