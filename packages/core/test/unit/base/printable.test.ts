import { expect, test } from 'vitest'
import { printable } from '../../../src/base/printable.js'
import { ConnectError, ConnectionLostError, DatabaseError } from '../../../src/index.js'

test('X19: escapes control characters, line ends and changes of direction, and nothing else', () => {
  expect(printable('\u001b[2J\r\n\t\u0085\u2028\u202e')).toBe(
    '\\u001b[2J\\u000d\\u000a\\u0009\\u0085\\u2028\\u202e',
  )
  const plain = 'datenbank »ä« ist 数据 🐘 \\ "no" \'way\''
  expect(printable(plain)).toBe(plain)
})

test('X19: our own messages hold no control characters of a server; the message of a statement’s error is left as the server sent it', () => {
  const said = 'two\nlines\u001b[0m'
  expect(new ConnectError(said, { endpoint: 'db:5432/app' }).message).toBe(
    'two\\u000alines\\u001b[0m; see POOLHOUSE_CONNECT',
  )
  expect(new ConnectionLostError(said, { executed: 'no' }).message).toBe(
    'two\\u000alines\\u001b[0m; see POOLHOUSE_CONNECTION_LOST',
  )
  expect(new DatabaseError(said, { code: 'P0001', severity: 'ERROR' }).message).toBe(said)
})
