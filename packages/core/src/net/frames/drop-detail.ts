import type { ServerError } from './server-error.js'

// The fields of an ErrorResponse that may repeat values of rows and statements, and that no code
// decides by: detail, hint, the context, and the text of a statement inside a function.
const LETTERS: ReadonlySet<number> = new Set(Buffer.from('DHWq'))
const FIELDS = ['detail', 'hint', 'where', 'internalQuery', 'internal_query'] as const
const HEADER = 5

/** Takes detail, hint and context out of an error of the server, for `errorDetail: 'drop'`. */
export function dropDetail<E extends ServerError>(error: E): E {
  const fields = error as Partial<Record<(typeof FIELDS)[number], unknown>>
  for (const field of FIELDS) if (field in fields) fields[field] = undefined
  return error
}

/** A copy of a whole ErrorResponse without them. */
export function frameWithoutDetail(buffer: Buffer, from: number, to: number): Buffer {
  const kept: Buffer[] = []
  for (let at = from + HEADER; at < to && buffer[at] !== 0; ) {
    const end = buffer.indexOf(0, at + 1) + 1
    if (end === 0 || end > to) break
    if (!LETTERS.has(buffer[at]!)) kept.push(buffer.subarray(at, end))
    at = end
  }
  const frame = Buffer.concat([Buffer.alloc(HEADER), ...kept, Buffer.alloc(1)])
  frame[0] = buffer[from]!
  frame.writeUInt32BE(frame.length - 1, 1)
  return frame
}
