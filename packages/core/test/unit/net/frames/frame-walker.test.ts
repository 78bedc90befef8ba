import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readNotice } from '../../../../src/net/frames/error-response.js'
import {
  readNotification,
  readParameter,
  readRowDescription,
} from '../../../../src/net/frames/frame-bodies.js'
import { FrameWalker } from '../../../../src/net/frames/frame-walker.js'
import { statusOf } from '../../../../src/net/frames/status-of.js'
import { frame, READY } from '../scripted-server.js'

/** The frames that end with a chunk. */
function walk(walker: FrameWalker, chunk: Buffer): string[] {
  const found: string[] = []
  walker.push(chunk)
  while (walker.next()) found.push(walker.buffer.toString('hex', walker.from, walker.to))
  return found
}

describe('FrameWalker', () => {
  it('finds every frame, wherever the chunks are cut', () => {
    const any = fc.record({
      type: fc.constantFrom('T', 'D', 'C', 'S', '1', '2', 'n', 'Z'),
      body: fc.uint8Array({ maxLength: 40 }),
    })
    fc.assert(
      fc.property(
        fc.array(any, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
        (given, sizes) => {
          const frames = given.map(({ type, body }) => frame(type, Buffer.from(body)))
          const bytes = Buffer.concat(frames)
          const walker = new FrameWalker()
          const found: string[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length]!
            found.push(...walk(walker, bytes.subarray(at, at + size)))
            at += size
          }
          expect(found).toEqual(frames.map((whole) => whole.toString('hex')))
          expect(walker.waiting).toBe(0)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('finds a frame as soon as its last byte has arrived', () => {
    const walker = new FrameWalker()
    const row = frame('D', Buffer.alloc(100_000))
    expect(walk(walker, row.subarray(0, row.length - 1))).toEqual([])
    expect(walk(walker, row.subarray(row.length - 1))).toHaveLength(1)
  })

  it('reports the kind and the length of the next frame as soon as they have arrived', () => {
    const walker = new FrameWalker()
    const bytes = frame('D', Buffer.alloc(10))
    expect(walker.nextKind).toBeUndefined()
    walker.push(bytes.subarray(0, 4))
    expect([walker.nextKind, walker.nextLength]).toEqual([0x44, undefined])
    walker.push(bytes.subarray(4, 5))
    expect([walker.nextKind, walker.nextLength]).toEqual([0x44, 14])
    expect(walker.waiting).toBe(5)
  })

  it('keeps no chunk whose frames were all found', () => {
    const walker = new FrameWalker()
    walk(walker, READY)
    expect(walker.buffer).toHaveLength(0)
  })

  it('returns the bytes after the last frame it walked over, in order', () => {
    const walker = new FrameWalker()
    const next = frame('D', Buffer.from('abcdef'))
    walker.push(Buffer.concat([READY, next.subarray(0, 3)]))
    expect(walker.next()).toBe(true)
    walker.push(next.subarray(3, 7))
    expect(walker.rest()).toEqual(next.subarray(0, 7))
    expect(walker.waiting).toBe(0)
  })

  it('throws for an impossible length', () => {
    for (const length of [0, 3, 0x4000_0000, 0xffff_ffff]) {
      const bytes = Buffer.from([0x44, 0, 0, 0, 0])
      bytes.writeUInt32BE(length, 1)
      expect(() => walk(new FrameWalker(), bytes)).toThrow(`impossible length (${length} bytes)`)
    }
  })

  it('finds no more frames once stopped, not even in the current chunk', () => {
    const walker = new FrameWalker()
    walker.push(Buffer.concat([READY, READY]))
    expect(walker.next()).toBe(true)
    walker.stop()
    expect(walker.next()).toBe(false)
    expect(walk(walker, READY)).toEqual([])
  })
})

describe('statusOf', () => {
  it('reads an invalid status as unknown', () => {
    const statuses = [...Buffer.from('ITEx')].map(statusOf)
    expect(statuses).toEqual(['idle', 'active', 'failed', 'unknown'])
  })
})

describe('readRowDescription', () => {
  it('reads names, origins, types and modifiers', () => {
    const column = Buffer.alloc(18)
    column.writeUInt32BE(0xfffffff0, 0)
    column.writeInt16BE(-2, 4)
    column.writeUInt32BE(1043, 6)
    column.writeInt16BE(-1, 10)
    column.writeInt32BE(36, 12)
    const body = Buffer.concat([Buffer.from([0, 1]), Buffer.from('naïve\0'), column])
    expect(readRowDescription(body)).toEqual([
      {
        name: 'naïve',
        tableID: 0xfffffff0,
        columnID: -2,
        dataTypeID: 1043,
        dataTypeSize: -1,
        dataTypeModifier: 36,
        format: 0,
      },
    ])
    expect(() => readRowDescription(body.subarray(0, 20))).toThrow(RangeError)
  })
})

describe('readParameter', () => {
  it('reads a name and a value, which may be empty', () => {
    expect(readParameter(Buffer.from('search_path\0"é"\0'))).toEqual({
      name: 'search_path',
      value: '"é"',
    })
    expect(readParameter(Buffer.from('a\0\0'))).toEqual({ name: 'a', value: '' })
  })
})

describe('readNotification', () => {
  it('reads the channel and the payload behind the process id', () => {
    expect(readNotification(Buffer.from('\0\0\0\x01"ch é"\0pay\0'))).toEqual({
      channel: '"ch é"',
      payload: 'pay',
    })
  })
})

describe('readNotice', () => {
  it('prefers the severity that is never localised and fills in what is missing', () => {
    expect(readNotice(Buffer.from('SWARNUNG\0VWARNING\0C01000\0Mtext\0\0'))).toEqual({
      severity: 'WARNING',
      code: '01000',
      message: 'text',
    })
    expect(readNotice(Buffer.from('\0'))).toEqual({
      severity: 'NOTICE',
      code: '00000',
      message: '',
    })
  })
})
