import type { Queryable } from '@poolhouse/core'
import type { Parser, SqlOptions } from './postgres-query.js'

/** Both types of an array, by OID. */
const ARRAY_TYPES = `
  select b.oid, b.typarray
  from pg_catalog.pg_type a
  left join pg_catalog.pg_type b on b.oid = a.typelem
  where a.typcategory = 'A'
  group by b.oid, b.typarray
  order by b.oid`

// `_box` alone separates its elements with something else than a comma.
const BOXES = 1020

/**
 * Teaches the options of an instance the array types of the database, as postgres.js does for each
 * connection; here once, at the first call.
 */
export class ArrayTypes {
  readonly #options: SqlOptions
  readonly #database: Queryable
  #known: Promise<void> | undefined

  /** Asks `database`. */
  constructor(options: SqlOptions, database: Queryable) {
    this.#options = options
    this.#database = database
    if (!options.fetch_types) this.#known = Promise.resolve()
  }

  /** Resolves when the types are known. A failure is that of this call; the next one asks again. */
  known(): Promise<void> {
    this.#known ??= this.#fetch().catch((error: unknown) => {
      this.#known = undefined
      throw error
    })
    return this.#known
  }

  async #fetch(): Promise<void> {
    const statement = { text: ARRAY_TYPES, undecoded: true as const }
    const { rows } = await this.#database.query<(string | null)[]>(statement)
    for (const [oid, arrayOid] of rows) if (oid) this.#add(Number(oid), Number(arrayOid))
  }

  #add(oid: number, arrayOid: number): void {
    const { parsers, serializers, shared } = this.#options
    if (parsers[arrayOid] !== undefined && serializers[arrayOid] !== undefined) return
    const parser = parsers[oid]
    shared.typeArrayMap[oid] = arrayOid
    const parse: Parser = (text) => new ArrayText(text, parser, arrayOid).read()
    parse.array = true
    parsers[arrayOid] = parse
    serializers[arrayOid] = (values) => this.#write(values, oid, arrayOid)
  }

  #write(values: unknown, oid: number, arrayOid: number): unknown {
    if (!Array.isArray(values)) return values
    if (values.length === 0) return '{}'
    const delimiter = arrayOid === BOXES ? ';' : ','
    const [first] = values as readonly unknown[]
    if (Array.isArray(first) && !('type' in first)) {
      return `{${values.map((part) => this.#write(part, oid, arrayOid)).join(delimiter)}}`
    }
    return `{${values.map((value) => this.#element(value, oid)).join(delimiter)}}`
  }

  #element(given: unknown, oid: number): string {
    const value = given === undefined ? this.#options.transform.undefined : given
    if (value === undefined) {
      throw Object.assign(new Error('UNDEFINED_VALUE: Undefined values are not allowed'), {
        code: 'UNDEFINED_VALUE',
      })
    }
    if (value === null) return 'null'
    const typed = value as { type?: unknown; value?: unknown }
    const plain = typed.type ? typed.value : value
    const serializer = this.#options.serializers[oid]
    const text = `${serializer === undefined ? plain : serializer(plain)}`
    return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`
  }
}

/** Reads the text of an array without its first brace, element for element as postgres.js does. */
class ArrayText {
  readonly #text: string
  readonly #parser: Parser | undefined
  readonly #delimiter: string
  #at = 0

  constructor(text: string, parser: Parser | undefined, arrayOid: number) {
    this.#text = text
    this.#parser = parser
    this.#delimiter = arrayOid === BOXES ? ';' : ','
  }

  read(): unknown[] {
    const elements: unknown[] = []
    const text = this.#text
    while (this.#at < text.length) {
      const char = text[this.#at]!
      if (char === '}') {
        this.#at++
        break
      }
      if (char === this.#delimiter) this.#at++
      else if (char === '{') {
        this.#at++
        elements.push(this.read())
      } else elements.push(this.#parsed(char === '"' ? this.#quoted() : this.#bare()))
    }
    return elements
  }

  #quoted(): string {
    const text = this.#text
    let value = ''
    for (this.#at++; this.#at < text.length && text[this.#at] !== '"'; this.#at++) {
      if (text[this.#at] === '\\') this.#at++
      value += text[this.#at]
    }
    this.#at++
    return value
  }

  #bare(): string {
    const from = this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === this.#delimiter || char === '}') break
      this.#at++
    }
    return this.#text.slice(from, this.#at)
  }

  #parsed(text: string): unknown {
    return this.#parser === undefined ? text : this.#parser(text)
  }
}
