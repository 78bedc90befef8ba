import type { FieldInfo, Statement } from '../../api/statement.js'
import { readRowDescription } from '../frames/frame-bodies.js'
import { describeMessages, FROM_SERVER, SYNC } from '../frames/messages.js'
import { RowShape } from '../frames/row-shape.js'
import type { ServerError } from '../frames/server-error.js'
import type { DeclaredTypes } from './declared-types.js'
import type { Done } from './done.js'
import { type WireHost, WireWork } from './wire-work.js'

/** Asks the server for the types of a statement's parameters and columns, without running it. */
export class DescribeWork extends WireWork {
  readonly #text: string
  readonly #declared: DeclaredTypes
  readonly #done: Done
  #types: readonly number[] = []
  #fields: FieldInfo[] = []
  #synced = false

  /** `declared.describe` gets the description. */
  constructor(host: WireHost, { text }: Statement, declared: DeclaredTypes, done: Done) {
    super(host)
    this.#text = text
    this.#declared = declared
    this.#done = done
  }

  override messages(): Buffer {
    this.#synced = false
    return describeMessages(this.#text, this.#declared.types)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.parameterDescription) {
      const body = buffer.subarray(from + 5, to)
      const count = body.readUInt16BE(0)
      this.#types = Array.from({ length: count }, (_, at) => body.readUInt32BE(2 + 4 * at))
    } else if (kind === FROM_SERVER.rowDescription) {
      const columns = readRowDescription(buffer.subarray(from + 5, to))
      this.#fields = new RowShape(columns, this.host.types).fields
      this.#sync()
    } else if (kind === FROM_SERVER.noData) this.#sync()
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    const refusal = super.takeError(buffer, from, to)
    if (refusal.severity !== 'FATAL' && refusal.severity !== 'PANIC') this.#sync()
    return refusal
  }

  protected override report(): void {
    if (this.refusal !== undefined) {
      this.#done(this.refusedWith(this.refusal))
      return
    }
    const fields = this.#fields
    this.#declared.describe?.({ types: this.#types, fields })
    this.#done(null, { rows: [], rowCount: null, command: '', fields })
  }

  override refuse(error: Error): void {
    this.#done(error)
  }

  #sync(): void {
    if (this.#synced) return
    this.#synced = true
    this.isAnswered = true
    this.host.send(SYNC)
  }
}
