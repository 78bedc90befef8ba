import { typeParsers } from '@poolhouse/core/types'
import { describe, expect, it } from 'vitest'
import { rawParsers, rawSerializers } from '../../src/wire/raw-values.js'

describe('the parsers of raw', () => {
  it('are those of the pool by OID, and texts stay texts', () => {
    const parsers = rawParsers(typeParsers({ int8: BigInt }))
    expect((parsers[20] as (text: string) => unknown)('7')).toBe(7n)
    expect((parsers[1016] as (text: string) => unknown)('{7,NULL}')).toEqual([7n, null])
    expect(parsers[25]).toBeUndefined()
    expect(parsers['length']).toBeUndefined()
  })

  it('can be replaced for one instance, as object mappers do', () => {
    const parsers = rawParsers(typeParsers())
    const mine = (text: string): string => text
    parsers[1184] = mine
    expect(parsers[1184]).toBe(mine)
    expect(rawParsers(typeParsers())[1184]).not.toBe(mine)
  })
})

describe('the serialisers of raw', () => {
  const own = { 16: (value: unknown) => (value === true ? 't' : 'f') }

  it('are those of postgres.js, and write arrays of other types as PostgreSQL arrays', () => {
    const serializers = rawSerializers(own)
    const write = (oid: number, value: unknown) =>
      oid in serializers ? (serializers[oid] as (value: unknown) => unknown)(value) : undefined
    expect(write(16, true)).toBe('t')
    expect(write(1007, [1, null, 2])).toBe('{1,NULL,2}')
    expect(write(2950, 'text')).toBe('text')
    expect(write(99_999, 5)).toBe('5')
  })

  it('can be replaced for one instance', () => {
    const serializers = rawSerializers(own)
    const mine = String
    serializers[16] = mine
    expect(serializers[16]).toBe(mine)
    expect(own[16]).not.toBe(mine)
  })
})
