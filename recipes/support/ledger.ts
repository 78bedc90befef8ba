const DONE_NOTHING: ReadonlySet<unknown> = new Set(['no', 'rolled-back'])
const ANSWERS = ['acknowledged', 'not executed', 'unknown'] as const

/** What the caller of one write was told. */
type Answer = (typeof ANSWERS)[number]

/** One write: all of its ids are stored, or none. */
interface Write {
  readonly ids: readonly number[]
  readonly answer: Answer
}

/** The answers to the load, to be compared with the rows. */
export class Ledger {
  readonly #writes: Write[] = []
  readonly #errors = new Map<string, number>()
  readonly #faults: string[] = []
  #reads = 0

  /** The ids of the writes with this answer. */
  ids(answer: Answer): number[] {
    return this.#writes.filter((write) => write.answer === answer).flatMap(({ ids }) => ids)
  }

  /** Does a write and notes its answer. Returns whether it was acknowledged. */
  async write(ids: readonly number[], work: () => unknown): Promise<boolean> {
    try {
      await work()
      this.#writes.push({ ids, answer: 'acknowledged' })
      return true
    } catch (error) {
      this.#writes.push({ ids, answer: answerOf(error) })
      this.#note('write', error)
      return false
    }
  }

  /** Reads a row whose write was acknowledged. An answer without it is a fault. */
  async read(id: number, work: () => Promise<unknown>): Promise<void> {
    try {
      if (await work()) this.#reads++
      else this.#faults.push(`${id} was acknowledged and not found right after`)
    } catch (error) {
      this.#note('read', error)
    }
  }

  /** Throws unless the rows of the server are those that the answers promise. */
  compare(rows: readonly Record<string, unknown>[]): void {
    const stored = new Map<number, number>()
    for (const row of rows) {
      const id = Number(row['id'])
      stored.set(id, (stored.get(id) ?? 0) + 1)
    }
    for (const { ids, answer } of this.#writes) {
      const counts = ids.map((id) => stored.get(id) ?? 0)
      const name = `${ids.join(' and ')} (${answer})`
      if (counts.some((count) => count > 1)) this.#faults.push(`${name} stored twice`)
      else if (new Set(counts).size > 1) this.#faults.push(`${name} stored by half`)
      else if (answer === 'acknowledged' && counts[0] === 0) this.#faults.push(`${name} lost`)
      else if (answer === 'not executed' && counts[0] === 1) this.#faults.push(`${name} stored`)
    }
    if (this.#faults.length > 0) throw new Error(`${this.#faults.join('\n')}\n${this}`)
  }

  /** The numbers, and each kind of error. */
  toString(): string {
    const errors = [...this.#errors].map(([text, count]) => `\n  ${count} × ${text}`)
    const counts = ANSWERS.map((answer) => `${this.ids(answer).length} ${answer}`).join(', ')
    return `${counts}, ${this.#reads} read back${errors.join('')}`
  }

  #note(kind: string, error: unknown): void {
    const text = `${kind}: ${[...causes(error)].map(describe).join(' < ')}`
    this.#errors.set(text, (this.#errors.get(text) ?? 0) + 1)
  }
}

/**
 * What an error says about its write. Libraries wrap ours; the outermost of ours is about the
 * write, those inside are about its connection.
 */
function answerOf(error: unknown): Answer {
  for (const { executed } of causes(error)) {
    if (executed !== undefined) return DONE_NOTHING.has(executed) ? 'not executed' : 'unknown'
  }
  return 'unknown'
}

interface WrappedError {
  readonly name?: string
  readonly message?: string
  readonly executed?: unknown
  readonly cause?: unknown
  readonly original?: unknown
  readonly driverError?: unknown
}

function* causes(error: unknown): Generator<WrappedError> {
  let current = error as WrappedError | undefined
  for (let depth = 0; depth < 5 && typeof current === 'object' && current !== null; depth++) {
    yield current
    const { cause, original, driverError } = current
    current = (cause ?? original ?? driverError) as WrappedError | undefined
  }
}

/** Numbers vary from one error to the next, so they are cut out, and values with them. */
function describe({ name, message }: WrappedError): string {
  return `${name}: ${message?.split('\n')[0]?.replaceAll(/\d+/g, '#').slice(0, 90)}`
}
