import type { FieldInfo, Statement } from '@poolhouse/core'
import { type Done, readRowDescription, type ServerError } from '@poolhouse/core/net'
import { SessionWork, type WorkHost } from './session-work.js'
import { Submission } from './submission.js'
import type { DeclaredTypes } from './wire/declared-types.js'
import { FROM_SERVER, SYNC } from './wire/messages.js'
import { RowShape } from './wire/row-shape.js'

/** Asks the server for the types of a statement's parameters and columns, without running it. */
export class DescribeWork extends SessionWork {
  readonly #text: string
  readonly #declared: DeclaredTypes
  readonly #done: Done
  #types: readonly number[] = []
  #fields: FieldInfo[] = []
  #synced = false

  /** `declared.describe` gets the description. */
  constructor(host: WorkHost, { text }: Statement, declared: DeclaredTypes, done: Done) {
    super(host)
    this.#text = text
    this.#declared = declared
    this.#done = done
  }

  protected override prepare(): Submission {
    const { types } = this.#declared
    this.#synced = false
    return new Submission(this, {
      text: this.#text,
      values: types.map(() => null),
      name: '',
      known: false,
      types,
      describe: true,
    })
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.parameterDescription) {
      const count = buffer.readUInt16BE(from + 5)
      this.#types = Array.from({ length: count }, (_, at) => buffer.readUInt32BE(from + 7 + 4 * at))
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

  override wantsRepeat(): boolean {
    return false
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
    this.host.send(SYNC)
  }
}
