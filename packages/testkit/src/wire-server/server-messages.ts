import { int16, int32, MessageWriter, sized, text } from '../protocol/message-writer.js'
import type { WireError, WireNotice } from './script.js'
import type { ResultColumn } from './values.js'

/** The messages that a server sends, by what they mean. */
export class ServerMessages extends MessageWriter {
  /** An authentication request, or 0 for success. */
  authentication(kind: number, payload: Buffer = Buffer.alloc(0)): void {
    this.add('R', int32(kind), payload)
  }

  parameterStatus(name: string, value: string): void {
    this.add('S', text(name), text(value))
  }

  backendKeyData(pid: number, secret: number): void {
    this.add('K', int32(pid), int32(secret))
  }

  /** Says that only protocol 3.0 is spoken, without the options named. */
  negotiateProtocolVersion(unknownOptions: readonly string[]): void {
    this.add('v', int32(3 << 16), int32(unknownOptions.length), ...unknownOptions.map(text))
  }

  readyForQuery(status: string): void {
    this.add('Z', Buffer.from(status))
  }

  parameterDescription(oids: readonly number[]): void {
    this.add('t', int16(oids.length), ...oids.map(int32))
  }

  rowDescription(columns: readonly ResultColumn[]): void {
    const fields = columns.map(({ name, oid }) =>
      Buffer.concat([text(name), int32(0), int16(0), int32(oid), int16(-1), int32(-1), int16(0)]),
    )
    this.add('T', int16(columns.length), ...fields)
  }

  dataRow(values: readonly (Buffer | null)[]): void {
    this.add('D', int16(values.length), ...values.map(sized))
  }

  commandComplete(tag: string): void {
    this.add('C', text(tag))
  }

  error(error: WireError, severity: string = error.severity ?? 'ERROR'): void {
    this.add(
      'E',
      ...fields({
        S: severity,
        V: severity,
        C: error.code,
        M: error.message,
        D: error.detail,
        H: error.hint,
        P: error.position?.toString(),
        W: error.where,
        s: error.schema,
        t: error.table,
        c: error.column,
        d: error.dataType,
        n: error.constraint,
        R: error.routine,
      }),
    )
  }

  notice(notice: WireNotice): void {
    const severity = notice.severity ?? 'NOTICE'
    this.add(
      'N',
      ...fields({
        S: severity,
        V: severity,
        C: notice.code ?? '00000',
        M: notice.message,
        D: notice.detail,
        H: notice.hint,
      }),
    )
  }

  notification(pid: number, channel: string, payload: string): void {
    this.add('A', int32(pid), text(channel), text(payload))
  }
}

function fields(values: Readonly<Record<string, string | undefined>>): Buffer[] {
  const present = Object.entries(values).filter(([, value]) => value !== undefined)
  return [...present.map(([letter, value]) => text(`${letter}${value}`)), Buffer.from([0])]
}
