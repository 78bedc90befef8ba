import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'

/**
 * TLS settings for requests over HTTPS. They mean what they mean to `tls.connect`.
 *
 * @example
 * const tls: HttpTls = {
 *   ca: await readFile('ca.pem'),
 *   cert: await readFile('client.pem'),
 *   key: await readFile('client.key'),
 *   serverName: 'patroni.example',
 * }
 * patroni({ urls: ['https://10.0.0.7:8008'], tls })
 */
export interface HttpTls {
  /** Certificate authorities to trust, PEM. Default: those that Node.js trusts. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined
  /** Client certificate, PEM, for a server that asks for one. Default: none. */
  readonly cert?: string | Buffer | undefined
  /** Private key of the client certificate, PEM. Default: none. */
  readonly key?: string | Buffer | undefined
  /** Name that the server's certificate must be valid for. Default: the host of the URL. */
  readonly serverName?: string | undefined
}

const MOST_BYTES = 1_048_576

/**
 * Gets a small JSON document over HTTP. Rejects if the status is not 200, if the body is not JSON
 * or longer than 1 MiB, and when the signal fires. Not `fetch`, because the built-in one takes no
 * certificate authorities.
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
    // No agent: a kept connection would keep the process alive, or be stale at the next request.
    const common = { agent: false, signal } as const
    const request =
      url.protocol === 'https:'
        ? getSecure(url, { ...common, ...secureOptions(tls) }, receive)
        : getPlain(url, common, receive)
    // A background request must not keep the process alive.
    request.on('socket', (socket) => socket.unref())
    request.on('error', reject)
  })
}

function secureOptions(tls: HttpTls | undefined): Record<string, unknown> {
  const { ca, cert, key, serverName } = tls ?? {}
  const given = { ca, cert, key, servername: serverName }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
