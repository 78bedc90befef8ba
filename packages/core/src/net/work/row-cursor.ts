import type { CursorBatch, DriverCursor } from '../../api/driver.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import type { Done } from './done.js'

/** What the statement of a cursor tells of its rows and of its end. */
export interface CursorEnds {
  /** As many rows came as were asked for, and there may be more. */
  readonly suspended: (rows: unknown[]) => void
  /** It is over; the result holds the rows that came last. */
  readonly done: Done
}

/** A statement that is executed some rows at a time. */
export interface CursorStatement {
  /** Fetches more rows. Called while it is suspended. */
  fetch(count: number): void
  /** Gives up the rows that are left. Called while it is suspended. */
  finish(): void
}

/** Makes the statement of a cursor and puts it to work; `count` is how many rows to fetch first. */
export type StartCursor = (count: number, ends: CursorEnds) => CursorStatement

type State =
  | { readonly at: 'start' }
  | {
      readonly at: 'fetching'
      readonly resolve: (batch: CursorBatch) => void
      readonly reject: (error: Error) => void
    }
  | { readonly at: 'suspended' }
  | { readonly at: 'closing'; readonly resolve: () => void }
  /**
   * `error` is what every further `read` rejects with; undefined after the last row and after
   * `close`.
   */
  | { readonly at: 'end'; readonly error: Error | undefined }

// The protocol counts rows in 32 bits with a sign, and zero means all of them.
const MOST_ROWS = 0x7fff_ffff

/** The rows of one statement, fetched when asked for. */
export class RowCursor implements DriverCursor, CursorEnds {
  readonly #start: StartCursor
  #statement: CursorStatement | undefined
  #state: State = { at: 'start' }
  #fetch: Promise<CursorBatch> | undefined
  #closed: Promise<void> | undefined

  /** Sends nothing yet. */
  constructor(start: StartCursor) {
    this.#start = start
  }

  async read(count: number): Promise<CursorBatch> {
    if (!Number.isInteger(count) || count < 1 || count > MOST_ROWS) {
      throw new RangeError(`count must be a whole number from 1 to ${MOST_ROWS}, got ${count}`)
    }
    const state = this.#state
    switch (state.at) {
      case 'start':
      case 'suspended':
        this.#fetch = this.#fetchFrom(state.at, count)
        return this.#fetch
      case 'fetching':
      case 'closing':
        throw new PoolhouseError(`the cursor is ${state.at}; it takes one call at a time`)
      case 'end':
        if (state.error !== undefined) throw state.error
        return { rows: [], end: true }
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** As many rows came as were asked for. */
  readonly suspended = (rows: unknown[]): void => {
    const state = this.#state
    if (state.at !== 'fetching') return
    this.#state = { at: 'suspended' }
    state.resolve({ rows, end: false })
  }

  /** It is over: ReadyForQuery, or the end of the session. */
  readonly done: CursorEnds['done'] = (error, result) => {
    const state = this.#state
    this.#state = { at: 'end', error: state.at === 'closing' ? undefined : (error ?? undefined) }
    if (state.at === 'closing') state.resolve()
    if (state.at !== 'fetching') return
    if (error === null) state.resolve({ rows: result?.rows ?? [], end: true })
    else state.reject(error)
  }

  #fetchFrom(at: 'start' | 'suspended', count: number): Promise<CursorBatch> {
    return new Promise((resolve, reject) => {
      this.#state = { at: 'fetching', resolve, reject }
      if (at === 'suspended') {
        this.#statement?.fetch(count)
        return
      }
      try {
        this.#statement = this.#start(count, this)
      } catch (error) {
        this.done(error as Error)
      }
    })
  }

  async #close(): Promise<void> {
    // The pending read gets the failure.
    await this.#fetch?.catch(() => undefined)
    if (this.#state.at === 'start') this.#state = { at: 'end', error: undefined }
    if (this.#state.at !== 'suspended') return
    await new Promise<void>((resolve) => {
      this.#state = { at: 'closing', resolve }
      this.#statement?.finish()
    })
  }
}
