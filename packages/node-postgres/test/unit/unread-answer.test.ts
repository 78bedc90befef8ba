import { expect, test } from 'vitest'
import { UnreadAnswer } from '../../src/unread-answer.js'

const READY = 'Z\0\0\0\u0005I'
const ENDS: readonly (readonly [string, boolean])[] = [
  [`C\0\0\0\u000dSELECT 1\0${READY}`, false],
  [`E\0\0\0\u0010SERROR\0C22012\0\0${READY}`, true],
  [`s\0\0\0\u0004${READY}`, false],
]

test.each(ENDS)(
  'T12: finds the end %j of an answer that comes in pieces of any size',
  (end, refused) => {
    const bytes = Buffer.from(`long\0text${end}`, 'latin1')
    for (const size of [1, 2, 3, 5, 8, bytes.length]) {
      const unread = new UnreadAnswer()
      for (let at = 0; at < bytes.length; at += size) {
        const found = unread.take(bytes.subarray(at, at + size))
        if (at + size < bytes.length) expect(found).toBeUndefined()
        else expect(found).toEqual({ ready: Buffer.from(READY, 'latin1'), refused })
      }
    }
  },
)

test('T12: does not take a text in a row for the end', () => {
  const unread = new UnreadAnswer()
  const row = 'D\0\0\0\u0014\0\u0002\0\0\0\u0001Z\0\0\0\u0005Ithem'
  expect(unread.take(Buffer.from(row.slice(0, -4), 'latin1'))).toBeUndefined()
  expect(unread.take(Buffer.from(row.slice(-4), 'latin1'))).toBeUndefined()
})
