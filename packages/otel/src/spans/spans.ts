import {
  type Attributes,
  type Context,
  context,
  type Span,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { failureAttributes } from '../failure-attributes.js'
import { SCOPE } from '../scope.js'
import { type SpanKey, spanKind, spanName } from './span-table.js'

const QUERY = spanKind('query')

/** What a global provider is before an SDK has registered itself. */
interface ProxyProvider {
  getDelegateTracer?(name: string): Tracer | undefined
}

/** Makes the spans of one instrumentation. */
export class Spans {
  readonly #provider: TracerProvider & ProxyProvider
  #tracer: Tracer | undefined

  /** `provider` may be the global one, where an SDK registers itself later. */
  constructor(provider: TracerProvider) {
    this.#provider = provider
    if (this.#provider.getDelegateTracer === undefined) {
      this.#tracer = provider.getTracer(SCOPE.name, undefined, { schemaUrl: SCOPE.schemaUrl })
    }
  }

  /** Who makes spans; undefined before an SDK is there. */
  get tracer(): Tracer | undefined {
    this.#tracer ??= this.#provider.getDelegateTracer!(SCOPE.name)
    return this.#tracer
  }

  /** Begins the span of a statement under the caller's. */
  query(tracer: Tracer, name: string, attributes: Attributes): Span {
    return tracer.startSpan(name, { kind: QUERY, attributes }, context.active())
  }

  /** Begins a span of another kind, under the caller's or under none. */
  begin(key: SpanKey, attributes: Attributes, root = false): Span | undefined {
    const kind = spanKind(key)
    return this.tracer?.startSpan(spanName(key), { kind, attributes, root }, context.active())
  }

  /** Makes the span of a wait of so many milliseconds that is over now. */
  waited(attributes: Attributes, waitMs: number, within: Context, error?: unknown): void {
    const now = Date.now()
    const options = { kind: spanKind('acquire'), attributes, startTime: now - waitMs }
    const span = this.tracer?.startSpan(spanName('acquire'), options, within)
    if (span !== undefined) end(span, error, now)
  }

  /** The context inside a span. */
  inside(span: Span): Context {
    return trace.setSpan(context.active(), span)
  }
}

/** Ends a span, by an error where that is not undefined. */
export function end(span: Span, error: unknown, at?: number): void {
  if (error !== undefined && span.isRecording()) {
    span.setAttributes(failureAttributes(error))
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end(at)
}
