import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import { ADDED_LATENCY_MS } from './added-latency.js'

/** A way to a server, as long as the run wants it. */
export interface Far extends AsyncDisposable {
  /** URL that leads there. */
  readonly url: string
  /** Port of that URL, on loopback. */
  readonly port: number
}

/**
 * The way to the server of a URL: the URL itself, or a line on which every byte spends
 * `ADDED_LATENCY_MS` each way.
 */
export async function farAway(url: string): Promise<Far> {
  let line: FaultProxy | undefined
  if (ADDED_LATENCY_MS > 0) {
    line = await startFaultProxy(url)
    line.delay(ADDED_LATENCY_MS)
  }
  return {
    url: line?.url() ?? url,
    port: line?.port ?? Number(new URL(url).port),
    async [Symbol.asyncDispose]() {
      await line?.close()
    },
  }
}
