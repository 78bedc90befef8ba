import { describe, expect, it } from 'vitest'
import { saslprep } from '../../../../src/net/login/saslprep.js'

describe('saslprep', () => {
  it.each([
    // The examples of RFC 4013.
    ['I\u00ADX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00AA', 'a'],
    ['\u2168', 'IX'],
    ['a\u00A0b\u3000c', 'a b c'],
    ['½', '1⁄2'],
    ['A\u030A', 'Å'],
    ['\u200B', ' '],
    ['\uFE0F☺\u200D', '☺'],
    ['ﷺ', 'صلى الله عليه وسلم'],
    ['א1א', 'א1א'],
  ])('T15: maps %j to %j', (password, prepared) => {
    expect(saslprep(password)).toBe(prepared)
  })

  it.each([
    ['prohibited', '\u00A0\u0007é'],
    ['prohibited, in ASCII alone, where nothing is looked at', 'a\u0007b'],
    ['not assigned in Unicode 3.2', '½😀'],
    ['not assigned in Unicode 3.2, next to a space', '\u00A0😀'],
    ['from private use', 'ﬁ\uE000'],
    ['a tag', 'ﬁ\u{E0041}'],
    ['not a character', 'ﬁ\u{1FFFE}'],
    ['a control character beyond ASCII', 'ﬁ\u0085'],
    ['a mark that changes how text is displayed', 'ﬁ\u202E'],
    ['a replacement character', 'ﬁ\uFFFD'],
    ['mapped to nothing at all', '\u00AD'],
    ['mapped to nothing at all, twice', '\u00AD\uFEFF'],
    ['from right to left and from left to right', 'ﷺa'],
    ['from right to left, behind a digit', '1א½'],
    ['from right to left, before a digit', 'א½'],
  ])('T15: returns a password unchanged that is %s', (_why, password) => {
    expect(saslprep(password)).toBe(password)
  })

  it('T15: checks for prohibited characters before it normalizes, as PostgreSQL does', () => {
    // U+FE75 is not assigned; U+FE76 becomes a space and a mark, neither of which is from right to
    // left.
    expect(saslprep('\uFE76')).toBe(' \u064E')
  })
})
