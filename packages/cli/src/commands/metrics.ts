import { messageOf } from '@poolhouse/core/kit'
import type { Outcome } from '../outcome.js'
import { liveManager } from '../serve/live-manager.js'
import { serve } from '../serve/serve.js'
import { findTarget, type TargetChoice } from '../target/find-target.js'
import type { CommandContext } from './command.js'

/** Options of `metrics`. */
export interface MetricsOptions extends TargetChoice {
  /** Address to serve on. */
  readonly host: string
  /** Port to serve on; 0 for any that is free. Default: print once. */
  readonly port?: number | undefined
}

/**
 * Prints what Prometheus would scrape, once all databases are ready or the time is up; exit code 1
 * if one was not ready. With a port it answers scrapes until it is ended.
 */
export async function metrics(
  context: CommandContext,
  { host, port, ...choice }: MetricsOptions,
): Promise<Outcome> {
  const target = await findTarget(choice, context.io)
  const { metricsHandler } = await import('@poolhouse/otel')
  const live = liveManager(target, context.timeoutMs)
  const handler = metricsHandler(live.manager)
  try {
    if (port === undefined) {
      const failure = await failureOf(live.manager.ready({ timeoutMs: context.timeoutMs }))
      context.signal.throwIfAborted()
      if (failure === undefined) await live.beat()
      const text = await handler.metrics()
      if (failure !== undefined) context.warn(failure)
      return {
        exitCode: failure === undefined ? 0 : 1,
        document: { metrics: text, ...(failure !== undefined && { error: failure }) },
        text: text.trimEnd(),
      }
    }
    let address = ''
    await serve(
      (request, response) => void handler(request, response),
      { host, port },
      context.signal,
      (url) => {
        address = url
        context.publish({ url }, `metrics are at ${url}metrics\n`)
      },
    )
    return { exitCode: 0, document: { url: address }, text: '' }
  } finally {
    handler.stop()
    await live.close()
  }
}

/**
 * Why a database is not ready; undefined if all are. What is not ready shows in the metrics too.
 */
async function failureOf(ready: Promise<void>): Promise<string | undefined> {
  try {
    await ready
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
