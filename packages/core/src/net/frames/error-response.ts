import type { Notice } from '../../api/driver.js'
import type { ServerError } from './server-error.js'

// The fields of ErrorResponse and NoticeResponse that we keep, by their letters.
const FIELDS: Readonly<Record<string, keyof ServerError>> = {
  C: 'code',
  D: 'detail',
  H: 'hint',
  P: 'position',
  W: 'where',
  s: 'schema',
  t: 'table',
  c: 'column',
  d: 'dataType',
  n: 'constraint',
  R: 'routine',
}

/** What the server says against a log-in. */
class ServerRefusal extends Error {}

/** The fields of the body of an ErrorResponse or a NoticeResponse, by their letters. */
export function readFields(body: Buffer): Record<string, string> {
  const fields: Record<string, string> = {}
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at + 1)
    if (end === -1) break
    fields[String.fromCharCode(body[at]!)] = body.toString('utf8', at + 1, end)
    at = end + 1
  }
  return fields
}

/**
 * Reads the body of an ErrorResponse. What is missing in it is undefined, and a message that is
 * missing is empty.
 */
export function readErrorResponse(body: Buffer): ServerError {
  const texts = readFields(body)
  const { M = '', S, V = S } = texts
  const error = new ServerRefusal(M)
  Object.defineProperty(error, 'name', { value: 'error', configurable: true, writable: true })
  // `V` is never localised; servers before 9.6 and some poolers send only `S`.
  const fields: Record<string, string | undefined> = { severity: V, code: undefined }
  for (const [letter, name] of Object.entries(FIELDS)) {
    const text = texts[letter]
    if (text !== undefined) fields[name] = text
  }
  return Object.assign(error, fields) as unknown as ServerError
}

/** Reads the body of a NoticeResponse. What is missing in it is that of a plain notice. */
export function readNotice(body: Buffer): Notice {
  const { S = 'NOTICE', V = S, C: code = '00000', M: message = '', R: routine } = readFields(body)
  return { severity: V, code, message, routine }
}
