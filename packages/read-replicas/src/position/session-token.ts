import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { type ClusterHistory, sameHistory } from '@poolhouse/core/kit'

/**
 * A position in one history of a cluster. A server that has replayed to it shows everything that
 * was committed before.
 */
export interface SessionToken extends ClusterHistory {
  /** System identifier of the cluster. */
  readonly systemId: string
  /** Timeline of the server that told the position. */
  readonly timeline: number
  /** Position in the write-ahead log. */
  readonly lsn: bigint
  /**
   * A short hash of the time at which the postmaster of the primary started; undefined if that is
   * not known.
   */
  readonly startedAt: string | undefined
  /** A short hash of the address and port of the primary; undefined if these are not known. */
  readonly place: string | undefined
}

const MARK_CHARACTERS = 6
const MOST_MARKS = 64
const marks = new Map<string, string>()

/** The token for a position in the history that a primary writes. */
export function tokenAt(
  history: ClusterHistory & { systemId: string; timeline: number },
  lsn: bigint,
): SessionToken {
  const { systemId, timeline, begin, startedAt, place } = history
  return { systemId, timeline, lsn, begin, startedAt: markOf(startedAt), place: markOf(place) }
}

/**
 * The history as tokens name it, with short hashes in place of values that are too long or too
 * revealing for a cookie.
 */
export function markedHistory(history: ClusterHistory): ClusterHistory {
  const { systemId, timeline, begin, startedAt, place } = history
  return { systemId, timeline, begin, startedAt: markOf(startedAt), place: markOf(place) }
}

function markOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  let mark = marks.get(text)
  if (mark === undefined) {
    if (marks.size >= MOST_MARKS) marks.clear()
    mark = createHash('sha256').update(text).digest('base64url').slice(0, MARK_CHARACTERS)
    marks.set(text, mark)
  }
  return mark
}

/** The meaning of a text: a token, `strong` for "read from the primary", or why it is neither. */
export type DecodedToken =
  | { readonly kind: 'token'; readonly token: SessionToken }
  | { readonly kind: 'strong' }
  | { readonly kind: 'malformed' | 'forged'; readonly message: string }

// Longer than any token, so that a huge cookie costs nothing.
const MOST_CHARACTERS = 200
const STRONG = 'v1.strong'
// Half of SHA-256, the least that RFC 2104 recommends: a token travels with every request.
const SIGNATURE_BYTES = 16

/**
 * Writes tokens as texts for cookies, headers and jobs, and reads them back. With secrets it signs
 * them, and accepts only tokens that are signed.
 */
export class TokenCodec {
  readonly #secrets: readonly string[]

  /**
   * The first secret signs, and all of them are accepted, so that a secret can be replaced without
   * a stale read.
   */
  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  /**
   * The text of a token, `v1.<system>.<timeline>.<position>`. What distinguishes its history from
   * others with the same numbers follows, as far as it is known (`~<begin of the timeline>~<hash of
   * the primary's address>~<hash of its start>`), and then a signature if there is a secret.
   */
  encode(token: SessionToken): string {
    const { systemId, timeline, lsn } = token
    const text = `v1.${systemId}.${timeline}.${hex(lsn)}${historyPart(token)}`
    const [secret] = this.#secrets
    return secret === undefined ? text : `${text}.${sign(text, secret)}`
  }

  /** The text of a session that has seen something without a known position. */
  encodeStrong(): string {
    return STRONG
  }

  /** Reads a text. Never throws, because texts come from outside. */
  decode(text: string): DecodedToken {
    if (text === STRONG) return { kind: 'strong' }
    const parts = text.length > MOST_CHARACTERS ? [] : text.split('.')
    const [version, systemId = '', timeline = '', position = '', ...rest] = parts
    const told = rest[0]?.startsWith('~') ? rest.shift() : undefined
    const [signature] = rest
    const [, begin, place, startedAt] =
      /^~([0-9A-F]{0,16})~([\w-]{0,6})~([\w-]{0,6})$/.exec(told ?? '~~~') ?? []
    const shaped =
      version === 'v1' &&
      rest.length <= 1 &&
      begin !== undefined &&
      /^\d{1,20}$/.test(systemId) &&
      /^[1-9]\d{0,9}$/.test(timeline) &&
      /^[0-9A-F]{1,16}$/.test(position)
    if (!shaped) {
      return {
        kind: 'malformed',
        message: 'it is not of the form v1.<system>.<timeline>.<position>',
      }
    }
    const unsigned = `v1.${systemId}.${timeline}.${position}${told === undefined ? '' : `.${told}`}`
    if (this.#secrets.length > 0 && !this.#isSigned(unsigned, signature)) {
      const why = signature === undefined ? 'it has no signature' : 'its signature is not ours'
      return { kind: 'forged', message: why }
    }
    const token: SessionToken = {
      systemId,
      timeline: Number(timeline),
      lsn: BigInt(`0x${position}`),
      begin: begin === '' ? undefined : BigInt(`0x${begin}`),
      startedAt: startedAt || undefined,
      place: place || undefined,
    }
    return { kind: 'token', token }
  }

  #isSigned(text: string, signature: string | undefined): boolean {
    if (signature === undefined) return false
    // Compares the texts and not the bytes: several texts may decode to the same bytes.
    const given = Buffer.from(signature)
    return this.#secrets.some((secret) => {
      const right = Buffer.from(sign(text, secret))
      return given.length === right.length && timingSafeEqual(given, right)
    })
  }
}

/**
 * The later of two positions in one cluster. A higher timeline comes after everything on a lower
 * one that is still part of its history. Undefined if both are of different histories with one
 * timeline number, which have no order.
 */
export function laterToken(one: SessionToken, other: SessionToken): SessionToken | undefined {
  if (one.timeline !== other.timeline) return one.timeline > other.timeline ? one : other
  if (sameHistory(one, other) === 'other') return undefined
  return one.lsn >= other.lsn ? one : other
}

function historyPart({ timeline, begin, place, startedAt }: SessionToken): string {
  // The first timeline branched off no other one.
  const told = timeline === 1 || begin === undefined ? '' : hex(begin)
  if (told === '' && place === undefined && startedAt === undefined) return ''
  return `.~${told}~${place ?? ''}~${startedAt ?? ''}`
}

function hex(lsn: bigint): string {
  return lsn.toString(16).toUpperCase()
}

function sign(text: string, secret: string): string {
  const full = createHmac('sha256', secret).update(text).digest()
  return full.subarray(0, SIGNATURE_BYTES).toString('base64url')
}
