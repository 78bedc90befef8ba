import { describe, expect, it } from 'vitest'
import { FrameReader, NotAFrameError } from '../../src/protocol/frame-reader.js'
import { int16, int32, MessageWriter, text } from '../../src/protocol/message-writer.js'
import { readOpening } from '../../src/protocol/opening.js'
import { splitStatements } from '../../src/protocol/split-statements.js'
import { StatementWatcher } from '../../src/protocol/statement-watcher.js'

function message(type: string, ...fields: Buffer[]): Buffer {
  const writer = new MessageWriter()
  writer.add(type, ...fields)
  return writer.take()
}

describe('FrameReader', () => {
  it('finds the same messages however the bytes are cut', () => {
    const bytes = Buffer.concat([message('Q', text('select 1')), message('S'), message('X')])
    for (let size = 1; size <= bytes.length; size += 1) {
      const reader = new FrameReader({ typed: true })
      const found: string[] = []
      const raw: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes.subarray(at, at + size))
        for (let frame = reader.next(); frame; frame = reader.next()) {
          found.push(frame.type + frame.body.toString())
          raw.push(frame.raw)
        }
      }
      expect(found).toEqual(['Qselect 1\0', 'S', 'X'])
      expect(Buffer.concat(raw)).toEqual(bytes)
    }
  })

  it('reads the opening message without a type byte and typed ones after it', () => {
    const body = Buffer.concat([int32(3 << 16), text('user'), text('app'), Buffer.from([0])])
    const reader = new FrameReader()
    reader.push(Buffer.concat([int32(body.length + 4), body, message('S')]))
    const opening = readOpening(reader.next()!.body)
    expect(opening).toEqual({
      kind: 'startup',
      major: 3,
      minor: 0,
      parameters: new Map([['user', 'app']]),
    })
    reader.typed()
    expect(reader.next()).toMatchObject({ type: 'S' })
  })

  it('refuses bytes that are another protocol and keeps them', () => {
    const reader = new FrameReader()
    reader.push(Buffer.from('GET / HTTP/1.1'))
    expect(() => reader.next()).toThrow(NotAFrameError)
    expect(reader.rest().toString()).toBe('GET / HTTP/1.1')
  })
})

describe('splitStatements', () => {
  it.each([
    ['begin; select 1 ;', ['begin', 'select 1']],
    ["select ';', 'it''s;'; commit", ["select ';', 'it''s;'", 'commit']],
    ["select E'\\';'; x", ["select E'\\';'", 'x']],
    ["select '\\'; x", ["select '\\'", 'x']],
    ['select $a$;$a$; x', ['select $a$;$a$', 'x']],
    ['select $1;select $2', ['select $1', 'select $2']],
    ['select ";" ; /* ; /* ; */ ; */ x', ['select ";"', '/* ; /* ; */ ; */ x']],
    ['-- a;\nx', ['-- a;\nx']],
    [' ; /* nothing */ ; ', []],
  ])('cuts %j at the semicolons that are code', (sql, expected) => {
    expect(splitStatements(sql).map((part) => part.text)).toEqual(expected)
  })

  it('blanks what is not code and keeps the length', () => {
    const [part] = splitStatements(`select 'insert' /* update */ from "delete"`)
    expect(part!.code).toHaveLength(part!.text.length)
    expect(part!.code.trim().split(/\s+/)).toEqual(['select', 'from'])
  })
})

describe('StatementWatcher', () => {
  it('tells every run once, also of a statement that was prepared before', () => {
    const watcher = new StatementWatcher()
    const seen = [
      message('P', text('a'), text('insert'), int16(0)),
      message('B', text(''), text('a'), int16(0)),
      message('E', text(''), int32(0)),
      message('S'),
      message('B', text(''), text('a'), int16(0)),
      message('E', text(''), int32(2)),
      message('E', text(''), int32(2)),
      message('Q', text('commit')),
    ].map((bytes) => {
      const reader = new FrameReader({ typed: true })
      reader.push(bytes)
      return watcher.observe(reader.next()!)
    })
    expect(seen.filter((statement) => statement !== undefined)).toEqual([
      { text: 'insert', kind: 'parse' },
      { text: 'insert', kind: 'execute' },
      { text: 'commit', kind: 'query' },
    ])
  })
})
