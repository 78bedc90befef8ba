import type {
  DashboardState,
  EntryView,
  MarkView,
  NowMessage,
  PastMessage,
  SampleView,
} from '../dashboard-state.js'

/** How far back the charts and the lanes look, in milliseconds. */
export const SHOWN_MS = 120_000
/** Most entries of the timeline. */
const MOST_ENTRIES = 200
/** Time before a stream that the server refused is asked for again. */
const AGAIN_MS = 2_000

/** Everything that is drawn, at one moment. */
export interface View {
  /** Whether the numbers are those of now. */
  readonly connection: 'connecting' | 'live' | 'lost'
  /** The pools; undefined before the first message. */
  readonly state: DashboardState | undefined
  /** What the charts draw, the oldest first. */
  readonly samples: readonly SampleView[]
  /** What happened, the oldest first. */
  readonly entries: readonly EntryView[]
  /** What the nodes were, the oldest first. */
  readonly marks: readonly MarkView[]
  /** What to add to a time of the pools to have one of this browser, in milliseconds. */
  readonly toWall: number
}

/**
 * Owns what the page knows: follows the stream of events, keeps what the charts still draw, and
 * calls `changed` with each new view.
 */
export class LiveView {
  readonly #address: string
  readonly #changed: (view: View) => void
  #view: View = {
    connection: 'connecting',
    state: undefined,
    samples: [],
    entries: [],
    marks: [],
    toWall: 0,
  }

  /** `address` is that of the stream. */
  constructor(address: string, changed: (view: View) => void) {
    this.#address = address
    this.#changed = changed
  }

  /** Begins to follow the stream. The browser connects again by itself when it breaks. */
  follow(): void {
    const source = new EventSource(this.#address)
    source.addEventListener('past', (event) => this.#begin(JSON.parse(event.data)))
    source.addEventListener('now', (event) => this.#go(JSON.parse(event.data)))
    source.addEventListener('error', () => {
      this.#show({ ...this.#view, connection: 'lost' })
      // Only a stream that was refused, as while the application starts, is given up.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.follow(), AGAIN_MS)
    })
  }

  #begin({ state, samples, entries, marks }: PastMessage): void {
    const toWall = Date.now() - state.at
    this.#show({ connection: 'live', state, samples, entries, marks, toWall })
  }

  #go({ state, samples, entries, marks }: NowMessage): void {
    const since = state.at - SHOWN_MS
    const all = [...this.#view.marks, ...marks]
    this.#show({
      connection: 'live',
      state,
      samples: [...this.#view.samples, ...samples].filter(({ at }) => at >= since),
      entries: [...this.#view.entries, ...entries].slice(-MOST_ENTRIES),
      // The last one before the shown time says what the nodes were when it begins.
      marks: all.filter(
        (mark, index) =>
          mark.at >= since ||
          !all.slice(index + 1).some((later) => later.pool === mark.pool && later.at < since),
      ),
      toWall: this.#view.toWall,
    })
  }

  #show(view: View): void {
    this.#view = view
    this.#changed(view)
  }
}
