import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'

/** How an HTTPS server proves itself, and how we do. As for `tls.connect`. */
export interface HttpTls {
  /** Authorities to trust, PEM. Default: those of Node.js. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  /** Our certificate, PEM, for a server that asks for one. */
  readonly cert?: string | Buffer | undefined
  /** Its key, PEM. */
  readonly key?: string | Buffer | undefined
  /** Name that the certificate of the server must bear. Default: the host of the URL. */
  readonly serverName?: string | undefined
}

const MOST_BYTES = 1_048_576

/**
 * Gets a small JSON document. Rejects if the answer is not status 200, not JSON, or longer than 1
 * MiB, and when the signal fires. The built-in `fetch` cannot be told whom to trust, so this is not
 * it.
 */
export function getJson(url: URL, tls: HttpTls | undefined, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const receive = (response: IncomingMessage): void => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MOST_BYTES)
          response.destroy(new Error(`the answer is above ${MOST_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200) {
          reject(new Error(`the answer has status ${response.statusCode}`))
          return
        }
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')))
        } catch (cause) {
          reject(new Error('the answer is not JSON', { cause }))
        }
      })
    }
    // No agent: a connection that is kept would keep the process alive or be stale at the next
    // question.
    const common = { agent: false, signal } as const
    const request =
      url.protocol === 'https:'
        ? getSecure(url, { ...common, ...secureOptions(tls) }, receive)
        : getPlain(url, common, receive)
    // A question that nobody may need the answer of must not keep the process alive.
    request.on('socket', (socket) => socket.unref())
    request.on('error', reject)
  })
}

function secureOptions(tls: HttpTls | undefined): Record<string, unknown> {
  const { ca, cert, key, serverName } = tls ?? {}
  const given = { ca, cert, key, servername: serverName }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
