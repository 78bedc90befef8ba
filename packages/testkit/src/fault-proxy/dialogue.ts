import { BodyReader } from '../protocol/body-reader.js'
import { type Frame, FrameReader, NotAFrameError } from '../protocol/frame-reader.js'
import { readOpening } from '../protocol/opening.js'
import { splitStatements } from '../protocol/split-statements.js'
import { type SeenStatement, StatementWatcher } from '../protocol/statement-watcher.js'
import { AnswerScanner } from './answer-scanner.js'
import type { DropRule } from './drop-rule.js'
import { ExpectedAnswers } from './expected-answers.js'

// As core names the parts of that reset: `net/reset-messages.ts`.
const RESET_NAMES = 'poolhouse_reset_'

/** What a dialogue tells the connection it belongs to. */
export interface DialogueListener {
  /** Bytes for the server, in order. */
  toServer(bytes: Buffer): void
  /** Bytes for the client, in order. */
  toClient(bytes: Buffer): void
  /** The client sent a statement, whether or not it will reach the server. */
  onStatement(statement: SeenStatement): void
  /** From now on nothing can be read: the server agreed to encrypt. */
  onEncrypted(): void
  /** A message was lost by this rule; everything delivered before must reach the client first. */
  onLost(rule: DropRule): void
}

/** The two ends of one session talking: reads along, and takes out what a rule wants lost. */
export class Dialogue {
  readonly #listener: DialogueListener
  /** Shared with the proxy, which adds and clears rules. */
  readonly #rules: readonly DropRule[]
  readonly #requests = new FrameReader()
  readonly #answers: AnswerScanner
  readonly #watcher = new StatementWatcher()
  readonly #expected = new ExpectedAnswers()
  /** `opening`: untyped messages; `talking`: typed ones; `opaque`: bytes that cannot be read. */
  #phase: 'opening' | 'talking' | 'opaque' = 'opening'
  /** SSLRequest and GSSENCRequest are answered by one byte each, without a header. */
  #awaitedBytes = 0
  #requestLost = false
  #answerLost = false

  constructor(rules: readonly DropRule[], listener: DialogueListener) {
    this.#rules = rules
    this.#listener = listener
    this.#answers = new AnswerScanner({
      onStart: () => !this.#answerLost && this.#expected.takenBy === undefined,
      onEnd: (type, flush) => this.#onAnswer(type, flush),
      deliver: (bytes) => listener.toClient(bytes),
    })
  }

  fromClient(chunk: Buffer): void {
    if (this.#phase === 'opaque') {
      this.#listener.toServer(chunk)
      return
    }
    this.#requests.push(chunk)
    let frame: Frame | undefined
    try {
      for (frame = this.#requests.next(); frame; frame = this.#requests.next()) {
        this.#onRequest(frame)
        if (this.#isOpaque()) break
      }
      if (!frame) return
    } catch (error) {
      if (!(error instanceof NotAFrameError || error instanceof RangeError)) throw error
      this.#phase = 'opaque'
      // A message that cannot be read is the server's to judge.
      if (error instanceof RangeError && frame) this.#listener.toServer(frame.raw)
      // 22 is a TLS handshake that did not ask first (`sslnegotiation=direct`).
      if (chunk[0] === 22) this.#listener.onEncrypted()
    }
    this.#listener.toServer(this.#requests.rest())
  }

  fromServer(chunk: Buffer): void {
    let bytes = chunk
    while (this.#awaitedBytes > 0 && bytes.length > 0 && this.#phase !== 'opaque') {
      const answer = String.fromCharCode(bytes[0]!)
      this.#awaitedBytes -= 1
      // A very old server answers with an error message instead.
      if (answer === 'E') break
      this.#listener.toClient(bytes.subarray(0, 1))
      bytes = bytes.subarray(1)
      if (answer === 'S' || answer === 'G') {
        this.#phase = 'opaque'
        this.#listener.onEncrypted()
      }
    }
    if (bytes.length === 0) return
    if (this.#phase === 'opaque') this.#listener.toClient(bytes)
    else this.#answers.push(bytes)
  }

  /** The client sends no more: what it sent of a message that is not complete goes on. */
  endOfClient(): void {
    if (!this.#requestLost) this.#listener.toServer(this.#requests.rest())
  }

  /** The same for the server. */
  endOfServer(): void {
    if (!this.#answerLost) this.#listener.toClient(this.#answers.rest())
  }

  #isOpaque(): boolean {
    return this.#phase === 'opaque'
  }

  #onRequest(frame: Frame): void {
    if (this.#phase === 'opening') {
      this.#onOpening(frame)
      return
    }
    const seen = this.#watcher.observe(frame)
    if (seen) this.#listener.onStatement(seen)
    if (this.#requestLost) return
    const ruled = this.#ruleFor(frame)
    if (ruled) ruled.rule.remaining -= 1
    if (ruled?.rule.loses === 'request') {
      this.#requestLost = true
      this.#expected.addLost(ruled.rule)
      this.#checkLost()
      return
    }
    const { type } = frame
    switch (type) {
      case 'Q':
      case 'F':
      case 'P':
      case 'B':
      case 'D':
      case 'C':
      case 'E':
      case 'S':
        this.#expected.add(type, ruled?.rule, ruled?.statement)
        break
      default:
        break
    }
    this.#listener.toServer(frame.raw)
  }

  #onOpening(frame: Frame): void {
    switch (readOpening(frame.body).kind) {
      case 'ssl':
      case 'gss':
        this.#awaitedBytes += 1
        break
      case 'cancel':
        this.#phase = 'opaque'
        break
      case 'startup':
        this.#requests.typed()
        this.#phase = 'talking'
        this.#expected.add('startup')
        break
    }
    this.#listener.toServer(frame.raw)
  }

  #ruleFor(frame: Frame): { rule: DropRule; statement: number } | undefined {
    if (this.#rules.length === 0) return undefined
    const text = this.#textOf(frame)
    if (text === undefined) return undefined
    const statements = splitStatements(text)
    for (const rule of this.#rules) {
      if (rule.remaining <= 0) continue
      // A request is lost from its first message on; only a run is answered.
      if (rule.loses === 'answer' && frame.type !== 'Q' && frame.type !== 'E') continue
      const statement = statements.findIndex((part) => rule.matches(part.text))
      if (statement >= 0) return { rule, statement }
    }
    return undefined
  }

  /** The text that a message brings or runs. */
  #textOf({ type, body }: Frame): string | undefined {
    const fields = new BodyReader(body)
    switch (type) {
      case 'Q':
        return fields.text()
      case 'P':
        return textUnlessReset({ name: fields.text(), text: fields.text() })
      case 'B':
      case 'E':
        return textUnlessReset(this.#watcher.statementOfPortal(fields.text()))
      default:
        return undefined
    }
  }

  #onAnswer(type: string, flush: () => void): void {
    if (this.#answerLost) return
    const rule = this.#expected.takenBy
    if (!rule) {
      this.#expected.advance(type)
      if (this.#expected.lostBy) flush()
      this.#checkLost()
      return
    }
    // Rows and notices belong to the answer; these end it.
    if (type !== 'C' && type !== 'E' && type !== 'I' && type !== 's') return
    this.#answerLost = true
    flush()
    this.#listener.onLost(rule)
  }

  #checkLost(): void {
    const rule = this.#expected.lostBy
    if (!rule || this.#answerLost) return
    this.#answerLost = true
    this.#listener.onLost(rule)
  }
}

/**
 * The reset that a pool sends in front of a statement is a transaction of its own, and none that a
 * test means.
 */
function textUnlessReset(
  statement: { readonly name: string; readonly text: string } | undefined,
): string | undefined {
  return statement?.name.startsWith(RESET_NAMES) ? undefined : statement?.text
}
