import { describe, expect, test } from 'vitest'
import { endOfCommits } from '../../../src/base/log-end.js'

const PAGE = 0x4002000n

describe('the position behind the last commit', () => {
  test.each([
    ['everything is flushed', PAGE + 200n, PAGE + 200n, PAGE + 200n],
    ['more was flushed meanwhile', PAGE + 200n, PAGE + 300n, PAGE + 200n],
    ['what is unflushed is shorter than a commit', PAGE + 232n, PAGE + 200n, PAGE + 200n],
    ['it could be a commit', PAGE + 240n, PAGE + 200n, PAGE + 240n],
    ['a record may have begun on the page before', PAGE + 32n, PAGE, PAGE + 32n],
    ['the flushed part ends on the page before', PAGE + 24n, PAGE - 8n, PAGE + 24n],
  ])('where %s', (_, inserted, flushed, end) => {
    expect(endOfCommits(inserted, flushed)).toBe(end)
  })

  test('is the end of the log where the server was not asked what is flushed', () => {
    expect(endOfCommits(PAGE + 232n, undefined)).toBe(PAGE + 232n)
  })
})
