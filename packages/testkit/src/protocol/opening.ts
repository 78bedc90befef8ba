import { BodyReader } from './body-reader.js'

/** What the first, untyped message of a connection asks for. */
export type Opening =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gss' }
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: number }
  | {
      readonly kind: 'startup'
      readonly major: number
      readonly minor: number
      readonly parameters: ReadonlyMap<string, string>
    }

const CANCEL_REQUEST = 80877102
const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104

/** Reads the body of an untyped message. */
export function readOpening(body: Buffer): Opening {
  const fields = new BodyReader(body)
  const code = fields.int32()
  switch (code) {
    case SSL_REQUEST:
      return { kind: 'ssl' }
    case GSS_REQUEST:
      return { kind: 'gss' }
    case CANCEL_REQUEST:
      return { kind: 'cancel', pid: fields.int32(), secret: fields.int32() }
    default: {
      const parameters = new Map<string, string>()
      while (!fields.done) {
        const name = fields.text()
        if (name === '') break
        parameters.set(name, fields.text())
      }
      return { kind: 'startup', major: code >>> 16, minor: code & 0xffff, parameters }
    }
  }
}
