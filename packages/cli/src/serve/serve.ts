import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '@poolhouse/core/kit'
import { UsageError } from '../outcome.js'

/** Where a server listens. */
export interface ServeOptions {
  /** Its address. */
  readonly host: string
  /** Its port; 0 for any that is free. */
  readonly port: number
}

/**
 * Serves requests until the signal fires. `ready` is called with the address as soon as requests
 * are answered. Rejects with `UsageError` if the address cannot be had.
 */
export async function serve(
  listener: RequestListener,
  { host, port }: ServeOptions,
  signal: AbortSignal,
  ready: (url: string) => void,
): Promise<void> {
  const server = createServer(listener)
  try {
    server.listen(port, host)
    await once(server, 'listening', { signal })
  } catch (error) {
    server.close()
    if (signal.aborted) return
    throw new UsageError(`cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error })
  }
  const { port: taken } = server.address() as AddressInfo
  ready(`http://${host.includes(':') ? `[${host}]` : host}:${taken}/`)
  if (!signal.aborted) await once(signal, 'abort')
  server.close()
  server.closeAllConnections()
}
