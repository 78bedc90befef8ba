/**
 * Builds the messages of one burst to a client; `take()` gives them as one buffer. Texts are UTF-8.
 */
export class MessageWriter {
  #messages: Buffer[] = []

  get empty(): boolean {
    return this.#messages.length === 0
  }

  /** Adds a message of this type; without a type, bare bytes. */
  add(type: string, ...fields: readonly Buffer[]): void {
    const body = Buffer.concat(fields)
    const head = Buffer.alloc(5)
    head.write(type, 0, 'latin1')
    head.writeInt32BE(body.length + 4, 1)
    this.#messages.push(head, body)
  }

  /** Everything added since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#messages)
    this.#messages = []
    return bytes
  }
}

/** A string with its closing zero byte. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'utf8')
}

/** A 16-bit number. */
export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

/** A 32-bit number. */
export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A value with its length before it; `null` is the length −1. */
export function sized(value: Buffer | null): Buffer {
  return value === null ? int32(-1) : Buffer.concat([int32(value.length), value])
}
