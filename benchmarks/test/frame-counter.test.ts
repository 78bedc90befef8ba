import { describe, expect, test } from 'vitest'
import { FrameCounter } from '../src/rows/frame-counter.js'

const DATA_ROW = 'D'.charCodeAt(0)
const READY = 'Z'.charCodeAt(0)

function frame(letter: string, body: string): Buffer {
  const header = Buffer.alloc(5)
  header.write(letter)
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, Buffer.from(body)])
}

// The letters inside of the bodies must not be taken for messages.
const answer = Buffer.concat([
  frame('2', ''),
  frame('D', 'DDDDDDDDDD'),
  frame('D', ''),
  frame('D', 'Z'.repeat(300)),
  frame('C', 'SELECT 3\0'),
  frame('Z', 'I'),
])

describe('FrameCounter', () => {
  test('counts each message once, however the answer is cut into pieces', () => {
    for (let size = 1; size <= answer.length; size++) {
      const counter = new FrameCounter()
      for (let at = 0; at < answer.length; at += size) counter.take(answer.subarray(at, at + size))
      expect([size, counter.count(DATA_ROW), counter.count(READY)]).toEqual([size, 3, 1])
    }
  })
})
