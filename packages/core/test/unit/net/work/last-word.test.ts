import { expect, test } from 'vitest'
import type { QueryResult } from '../../../../src/api/statement.js'
import { ConnectionLostError } from '../../../../src/index.js'
import { JoinedWork } from '../../../../src/net/work/joined-work.js'
import type { WireHost } from '../../../../src/net/work/wire-work.js'
import { isPassedOver } from '../../../../src/outcome/passed-over.js'

const TEXTS = ['BEGIN', 'a', 'COMMIT']

/**
 * What each of three joined statements is told if the session ends with this error at the first.
 */
function toldOf(routine: string | undefined): Error[] {
  const told: Error[] = []
  const host = {
    errorOf: () => new Error('as the library has it'),
    prepared: { unsent: () => {} },
  } as unknown as WireHost
  const parts = TEXTS.map((text, index) => ({
    sent: {
      statement: { text },
      done: (error: Error | null, _result?: QueryResult<unknown>) => {
        told[index] = error!
      },
    },
    values: undefined,
    isBehindChange: false,
  }))
  const work = new JoinedWork(host, parts)
  work.sent = true
  const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mended', ...(routine ? [`R${routine}`] : [])]
  const body = Buffer.from(`${fields.join('\0')}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, body.length + 4])
  work.takeError(Buffer.concat([head, body]), 0, 5 + body.length)
  work.lose(new ConnectionLostError('the socket has ended', { executed: 'unknown' }))
  return told
}

test('T95: what stands behind the end of its session in a step was not run, if the server itself said so', () => {
  expect(toldOf('ProcessInterrupts').map(isPassedOver)).toEqual([false, true, true])
  for (const pooler of [undefined, 'pool_send_fatal']) {
    const told = toldOf(pooler)
    expect(told.map(isPassedOver)).toEqual([false, false, false])
    expect(told[2]).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  }
})
