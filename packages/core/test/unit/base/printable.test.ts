import { expect, test } from 'vitest'
import { printable } from '../../../src/base/printable.js'
import { ConnectError, ConnectionLostError, DatabaseError } from '../../../src/index.js'

test('X19: escapes what drives a terminal, ends a line or turns its direction, and nothing else', () => {
  expect(printable('\u001b[2J\r\n\t\u0085\u2028\u202e')).toBe(
    '\\u001b[2J\\u000d\\u000a\\u0009\\u0085\\u2028\\u202e',
  )
  const plain = 'datenbank »ä« ist 数据 🐘 \\ "no" \'way\''
  expect(printable(plain)).toBe(plain)
})

test('X19: no message of ours has the control characters of a server, that of a statement is as the server said it', () => {
  const said = 'two\nlines\u001b[0m'
  expect(new ConnectError(said, { endpoint: 'db:5432/app' }).message).toBe(
    'two\\u000alines\\u001b[0m',
  )
  expect(new ConnectionLostError(said, { executed: 'no' }).message).toBe(
    'two\\u000alines\\u001b[0m',
  )
  expect(new DatabaseError(said, { code: 'P0001', severity: 'ERROR' }).message).toBe(said)
})
