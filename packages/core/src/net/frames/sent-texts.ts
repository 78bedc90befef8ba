const QUERY = 0x51
const PARSE = 0x50
// Kind and length.
const HEADER = 5

/**
 * Tells the SQL texts in whole messages of a client: those of Query and of Parse. Anything that is
 * no whole message ends the look.
 */
export function tellTexts(messages: Uint8Array, tell: (text: string) => void): void {
  const bytes = Buffer.from(messages.buffer, messages.byteOffset, messages.byteLength)
  for (let at = 0; at + HEADER <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
    const kind = bytes[at]
    if (kind !== QUERY && kind !== PARSE) continue
    // A Parse has the name of the statement before its text.
    const from = kind === QUERY ? at + HEADER : bytes.indexOf(0, at + HEADER) + 1
    tell(bytes.toString('utf8', from, bytes.indexOf(0, from)))
  }
}
