import type { DropRule } from './drop-rule.js'

/** One thing the client asked for, in the order in which the server will answer. */
interface Expected {
  /**
   * The type of the request's message, `startup`, or `lost` for a request that never reached the
   * server.
   */
  readonly kind: 'startup' | 'lost' | 'Q' | 'F' | 'P' | 'B' | 'D' | 'C' | 'E' | 'S'
  /** The rule that takes the answer, and which statement of a simple query it means. */
  rule?: DropRule
  readonly ruledStatement: number
  /** Statements of a simple query that have been answered. */
  answered: number
}

/**
 * Which request the server is answering. It follows both protocols, pipelining included: an error
 * skips what follows up to the next Sync, ReadyForQuery ends a simple query or a Sync.
 * ReadyForQuery also repairs the count should the two sides ever disagree.
 */
export class ExpectedAnswers {
  #queue: Expected[] = []
  /** After an error the server ignores messages until a Sync that has not been seen yet. */
  #skipping = false

  /** The client asked; `rule` takes the answer (to that statement of a simple query). */
  add(kind: Expected['kind'], rule?: DropRule, ruledStatement = 0): void {
    if (this.#skipping) {
      if (kind !== 'S') {
        giveBack(rule)
        return
      }
      this.#skipping = false
    }
    this.#queue.push({ kind, ruledStatement, answered: 0, ...(rule && { rule }) })
  }

  /**
   * A request is lost on its way. What was sent after the last Sync cannot be answered any more
   * either, because the server answers at the Sync.
   */
  addLost(rule: DropRule): void {
    const last = this.#queue.findLastIndex(({ kind }) => endsWithReady(kind))
    for (const { rule: unused } of this.#queue.splice(last + 1)) giveBack(unused)
    this.#queue.push({ kind: 'lost', rule, ruledStatement: 0, answered: 0 })
  }

  /** The rule whose answer the next message belongs to. */
  get takenBy(): DropRule | undefined {
    const head = this.#queue[0]
    return head && head.kind !== 'lost' && head.answered === head.ruledStatement
      ? head.rule
      : undefined
  }

  /** The rule that lost the request which would be answered next. */
  get lostBy(): DropRule | undefined {
    const head = this.#queue[0]
    return head?.kind === 'lost' ? head.rule : undefined
  }

  /** A message from the server has gone by. */
  advance(type: string): void {
    const head = this.#queue[0]
    switch (type) {
      case '1':
        this.#answer('P')
        break
      case '2':
        this.#answer('B')
        break
      case '3':
        this.#answer('C')
        break
      case 'n':
      case 'T':
        this.#answer('D')
        break
      case 'C':
      case 'I':
      case 's':
        if (head?.kind === 'Q') head.answered += 1
        this.#answer('E')
        break
      case 'G':
        // The server ignores the Sync that came with the Execute of a COPY; the client sends
        // another.
        if (head?.kind === 'E' && this.#queue[1]?.kind === 'S') this.#queue.splice(1, 1)
        break
      case 'E':
        this.#fail()
        break
      case 'Z': {
        const end = this.#queue.findIndex(({ kind }) => endsWithReady(kind))
        for (const { rule } of this.#queue.splice(0, end + 1)) giveBack(rule)
        break
      }
      default:
        break
    }
  }

  #answer(kind: Expected['kind']): void {
    if (this.#queue[0]?.kind === kind) this.#queue.shift()
  }

  #fail(): void {
    const head = this.#queue[0]
    if (head && endsWithReady(head.kind)) {
      // The statement that the rule waits for is never run.
      giveBack(head.rule)
      delete head.rule
      return
    }
    const sync = this.#queue.findIndex(({ kind }) => kind === 'S')
    this.#skipping = sync < 0
    for (const { rule } of this.#queue.splice(0, sync < 0 ? this.#queue.length : sync))
      giveBack(rule)
  }
}

function endsWithReady(kind: Expected['kind']): boolean {
  return kind === 'Q' || kind === 'F' || kind === 'S' || kind === 'startup'
}

/** The statement was not run, so the rule has not been used up. */
function giveBack(rule: DropRule | undefined): void {
  if (rule) rule.remaining += 1
}
