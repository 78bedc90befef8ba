import { type Span, type SpanContext, trace } from '@opentelemetry/api'
import { checkBoolean, describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'

/**
 * What comments say.
 *
 * @example
 * const tags = { application: 'shop', route: () => currentRoute() }
 * instrument(pool, { sqlcommenter: { traceparent: false, tags } })
 */
export interface SqlCommenterOptions {
  /** Whether they name the span of the statement, as W3C trace context does. Default true. */
  traceparent?: boolean | undefined
  /**
   * Further keys with their values, such as `{ application: 'shop' }`. A function is asked at each
   * call, and returns undefined to leave its key out. Default: none.
   */
  tags?: Readonly<Record<string, string | (() => string | undefined)>> | undefined
}

/**
 * Writes the comments of sqlcommenter: `select 1 /*application='shop',traceparent='00-…'*\/`. Keys
 * are sorted; keys and values are encoded as in URLs.
 */
export class SqlCommenter {
  readonly #hasParent: boolean
  readonly #tags: readonly (readonly [string, string | (() => string | undefined)])[]

  /** Takes what `instrument` got. Throws `TypeError` for wrong options. */
  constructor(options: SqlCommenterOptions) {
    const where = 'instrument: sqlcommenter'
    refuseUnknownOptions(where, options, new Set(['traceparent', 'tags']))
    const { traceparent = true, tags = {} } = options
    this.#hasParent = checkBoolean(where, 'traceparent', traceparent)
    refuseUnknownOptions(where, tags, { has: () => true, keys: () => [][Symbol.iterator]() })
    for (const [key, value] of Object.entries(tags)) {
      if (typeof value === 'string' || typeof value === 'function') continue
      throw new TypeError(
        `${where}: tags.${key} must be a string or a function, got ${describeValue(value)}`,
      )
    }
    this.#tags = Object.entries(tags)
  }

  /**
   * The comment of a statement whose span is given, or that is called in the active span. Empty for
   * a text that has a comment already, and where there is nothing to say.
   */
  commentOf(text: string, span: Span | undefined): string {
    if (text.includes('/*') || text.includes('--')) return ''
    const pairs: string[] = []
    for (const [key, tag] of this.#tags) {
      const value = typeof tag === 'string' ? tag : taggedBy(tag)
      if (value !== undefined) pairs.push(`${encoded(key)}='${encoded(value)}'`)
    }
    const of = this.#hasParent ? (span ?? trace.getActiveSpan())?.spanContext() : undefined
    if (of !== undefined && trace.isSpanContextValid(of)) pairs.push(parentOf(of))
    return pairs.length === 0 ? '' : ` /*${pairs.sort().join(',')}*/`
  }
}

function parentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `traceparent='00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}'`
}

/** What a tag says; nothing if it throws, because a comment must fail no statement. */
function taggedBy(tag: () => string | undefined): string | undefined {
  try {
    const value = tag()
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** Encoded by RFC 3986, so that nothing ends the string or the comment. */
function encoded(text: string): string {
  // By a buffer, because a lone half of a surrogate pair cannot be encoded.
  return encodeURIComponent(Buffer.from(text).toString()).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
