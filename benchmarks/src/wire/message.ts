/** One message to a server; the first one of a connection has no letter. */
export function message(letter: string, body: string | Buffer): Buffer {
  const content = Buffer.from(body as string)
  const length = Buffer.alloc(4)
  length.writeInt32BE(content.length + length.length)
  return Buffer.concat([Buffer.from(letter), length, content])
}

/** Ends a group of messages: the server answers them all and is ready again. */
export const SYNC: Buffer = message('S', '')
