/**
 * Reads the fields of one message body from front to back. Throws `RangeError` where the body is
 * too short.
 */
export class BodyReader {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  get done(): boolean {
    return this.#at >= this.#body.length
  }

  int16(): number {
    const value = this.#body.readInt16BE(this.#at)
    this.#at += 2
    return value
  }

  int32(): number {
    const value = this.#body.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  character(): string {
    const value = this.#body.readUInt8(this.#at)
    this.#at += 1
    return String.fromCharCode(value)
  }

  /** A string that ends with a zero byte. */
  text(): string {
    const end = this.#body.indexOf(0, this.#at)
    if (end < 0) throw new RangeError('a string in the message has no end')
    const value = this.#body.toString('utf8', this.#at, end)
    this.#at = end + 1
    return value
  }

  bytes(length: number): Buffer {
    if (this.#at + length > this.#body.length) {
      throw new RangeError(`the message ends before ${length} bytes could be read`)
    }
    const value = this.#body.subarray(this.#at, this.#at + length)
    this.#at += length
    return value
  }

  /** Everything that has not been read. */
  remainder(): Buffer {
    return this.bytes(this.#body.length - this.#at)
  }
}
