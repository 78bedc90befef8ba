import { BodyReader } from '../protocol/body-reader.js'
import { type StatementPart, splitStatements } from '../protocol/split-statements.js'
import type { Reaction, WireParameter, WireRow } from './script.js'
import { type ResultColumn, typeOid } from './values.js'

/** A parsed statement of one session. */
export interface PreparedStatement {
  /** `undefined` for a text without a statement in it. */
  readonly part: StatementPart | undefined
  readonly parameterOids: readonly number[]
  /**
   * What the script said when the client asked for the columns before it bound parameters. The next
   * run uses it, so that a script is asked once for each run.
   */
  asked: { readonly reaction: Reaction | undefined } | undefined
}

/** A statement with its parameters. */
export interface Portal {
  readonly statement: PreparedStatement
  readonly parameters: readonly WireParameter[]
  asked: { readonly reaction: Reaction | undefined } | undefined
  /** Rows of a run that a row limit has suspended, and how many have been sent. */
  result:
    | {
        readonly rows: readonly WireRow[]
        readonly columns: readonly ResultColumn[]
        readonly tag: string | undefined
      }
    | undefined
  sent: number
}

/** Reads a Parse message. */
export function readParse(body: Buffer): { name: string; statement: PreparedStatement } {
  const fields = new BodyReader(body)
  const name = fields.text()
  const text = fields.text()
  const given = Array.from({ length: fields.int16() }, () => fields.int32())
  const parts = splitStatements(text)
  const only = parts[0]
  // The text as the client wrote it, so that a script can compare it.
  const part = only && { text, code: text === only.text ? only.code : pad(text, only) }
  return { name, statement: { part, parameterOids: parameterOids(part, given), asked: undefined } }
}

/** Reads a Bind message. */
export function readBind(body: Buffer): {
  portal: string
  statement: string
  parameters: WireParameter[]
} {
  const fields = new BodyReader(body)
  const portal = fields.text()
  const statement = fields.text()
  const formats = Array.from({ length: fields.int16() }, () => fields.int16())
  const parameters = Array.from({ length: fields.int16() }, (_, index): WireParameter => {
    const length = fields.int32()
    if (length < 0) return null
    const bytes = fields.bytes(length)
    const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1
    return binary ? Buffer.from(bytes) : bytes.toString()
  })
  return { portal, statement, parameters }
}

/**
 * The types of `$1`, `$2`, … : as the client gave them, else by the cast behind them, else text.
 */
function parameterOids(part: StatementPart | undefined, given: readonly number[]): number[] {
  const oids: number[] = [...given]
  for (const [, number, type] of part?.code.matchAll(/\$(\d+)(?:::(\w+))?/g) ?? []) {
    const index = Number(number) - 1
    if (type !== undefined) oids[index] ||= typeOid(type)
    else oids[index] ??= 0
  }
  return Array.from(oids, (oid) => oid || typeOid('text'))
}

function pad(text: string, part: StatementPart): string {
  const lead = text.indexOf(part.text)
  return ' '.repeat(lead) + part.code.padEnd(text.length - lead)
}
