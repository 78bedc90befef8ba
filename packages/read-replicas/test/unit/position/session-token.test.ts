import { describe, expect, test } from 'vitest'
import { laterToken, type SessionToken, TokenCodec } from '../../../src/position/session-token.js'

const SECRET = 'a secret of some length'

const token = (timeline: number, lsn: bigint): SessionToken => ({
  systemId: '7000000000000000001',
  timeline,
  lsn,
  begin: undefined,
  startedAt: undefined,
  place: undefined,
})

describe('the signature of a token', () => {
  const codec = new TokenCodec([SECRET, 'an older secret of some length'])
  const signed = codec.encode(token(2, 0x1_388n))
  const unsigned = signed.slice(0, signed.lastIndexOf('.'))
  const signature = signed.slice(unsigned.length + 1)

  test('T100: of the right secret and length is accepted', () => {
    expect(signature).toHaveLength(22)
    expect(codec.decode(signed)).toEqual({ kind: 'token', token: token(2, 0x1_388n) })
  })

  test.each([
    ['nothing', ''],
    ['one character', signature.slice(0, 1)],
    ['one character less', signature.slice(0, -1)],
    ['one character more', `${signature}A`],
    ['twice as much', signature.repeat(2)],
    ['as many characters and more bytes', 'é'.repeat(22)],
    ['padding', `${signature}==`],
  ])('T100: of %s is refused and throws nothing', (_what, wrong) => {
    expect(codec.decode(`${unsigned}.${wrong}`)).toEqual({
      kind: 'forged',
      message: 'its signature is not ours',
    })
  })

  test('T100: is required as soon as there is a secret', () => {
    expect(codec.decode(unsigned)).toEqual({ kind: 'forged', message: 'it has no signature' })
  })
})

describe('the text of a token', () => {
  const codec = new TokenCodec([])
  const bare = codec.encode(token(2, 0x1_388n))

  test('keeps what names its history', () => {
    const named = { ...token(2, 0x1_388n), begin: 0xabcn, startedAt: 'abc-_1', place: 'x' }
    const text = codec.encode(named)
    expect(text).toBe(`${bare}.~ABC~x~abc-_1`)
    expect(codec.decode(text)).toEqual({ kind: 'token', token: named })
  })

  test.each([
    ['a part too many', `${bare}.a.b`],
    ['a begin that is no position', `${bare}.~XYZ~~`],
    ['names that are too long', `${bare}.~~1234567~`],
    ['a timeline that begins with 0', bare.replace('.2.', '.02.')],
    ['another version', bare.replace('v1', 'v2')],
    ['no position', bare.slice(0, bare.lastIndexOf('.'))],
    ['nothing', ''],
  ])('is malformed with %s', (_what, text) => {
    expect(codec.decode(text)).toMatchObject({ kind: 'malformed' })
  })
})

describe('the later of two tokens', () => {
  test.each([
    ['a higher position', token(2, 0x100n)],
    ['the same position', token(2, 0x500n)],
    ['a lower position', token(2, 0x900n)],
  ])('T100: is the one of the higher timeline, also with %s on the lower', (_what, lower) => {
    const higher = token(3, 0x500n)
    expect(laterToken(lower, higher)).toBe(higher)
    expect(laterToken(higher, lower)).toBe(higher)
  })

  test('T100: is the one of the higher position on one timeline', () => {
    const one = token(2, 0x100n)
    const other = token(2, 0x101n)
    expect(laterToken(one, other)).toBe(other)
    expect(laterToken(other, one)).toBe(other)
  })

  test('T100: is neither if one timeline has two histories', () => {
    const one = { ...token(2, 0x100n), begin: 0x50n }
    expect(laterToken(one, { ...token(2, 0x200n), begin: 0x60n })).toBeUndefined()
  })
})
