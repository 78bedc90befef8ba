import { describe, expect, it } from 'vitest'
import { commandOf, countOf } from '../../../../src/net/frames/command-tag.js'

describe('a command tag', () => {
  it('is a command and a count, if it has one', () => {
    const parts = (tag: string) => [commandOf(tag), countOf(tag)]
    expect(parts('SELECT 12')).toEqual(['SELECT', 12])
    expect(parts('INSERT 0 5')).toEqual(['INSERT', 5])
    expect(parts('COPY 0')).toEqual(['COPY', 0])
    expect(parts('CREATE TABLE')).toEqual(['CREATE TABLE', null])
    expect(parts('CREATE TABLE AS 3')).toEqual(['CREATE TABLE AS', 3])
    expect(parts('')).toEqual(['', null])
  })
})
