import type { Attributes } from '@opentelemetry/api'
import { metric } from './metric-table.js'
import type { Histograms, Recorder } from './recorder.js'

/** The recorders of one pool of connections. */
export interface PoolRecorders {
  /** Waits for a connection, in seconds. */
  readonly wait: Recorder
  /** Uses of a connection, in seconds. */
  readonly use: Recorder
  /** Connects, in seconds. */
  readonly create: Recorder
}

/** The histograms of calls, with one recorder for each set of attributes. */
export class CallMetrics {
  /** Makes recorders of durations of statements, in seconds. */
  readonly duration: (attributes: Attributes) => Recorder
  /** Makes recorders of the rows that statements return. */
  readonly rows: (attributes: Attributes) => Recorder
  readonly #wait: (attributes: Attributes) => Recorder
  readonly #use: (attributes: Attributes) => Recorder
  readonly #create: (attributes: Attributes) => Recorder

  /** Keeps the histograms there. */
  constructor(histograms: Histograms) {
    this.duration = histograms.histogram(metric('operationDuration'))
    this.rows = histograms.histogram(metric('returnedRows'))
    this.#wait = histograms.histogram(metric('waitTime'))
    this.#use = histograms.histogram(metric('useTime'))
    this.#create = histograms.histogram(metric('createTime'))
  }

  /** The recorders of a pool with these attributes. */
  poolRecorders(attributes: Attributes): PoolRecorders {
    return {
      wait: this.#wait(attributes),
      use: this.#use(attributes),
      create: this.#create(attributes),
    }
  }
}
