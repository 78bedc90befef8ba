import { get } from 'node:http'
import type { DiscoveredNode, Discovery } from '@poolhouse/failover'

/** Where Consul answers, and what it calls the servers. */
export interface ConsulOptions {
  /** Its HTTP interface: `http://127.0.0.1:8500`. */
  readonly url: string
  /** Name of the service under which every server of the cluster is registered. */
  readonly service: string
  /** Longest time that Consul keeps a question until there is news, in seconds. Default 30. */
  readonly waitSeconds?: number | undefined
}

/** Lists the servers of a service that Consul knows, passing its health checks or not. */
export function consul({ url, service, waitSeconds = 30 }: ConsulOptions): Discovery {
  // What Consul answered last. A question that names it waits for the next change.
  let index: string | undefined
  return {
    name: `consul(${new URL(url).host}, ${service})`,
    async next({ signal }) {
      const question = new URL(`/v1/health/service/${encodeURIComponent(service)}`, url)
      if (index !== undefined) {
        question.searchParams.set('index', index)
        question.searchParams.set('wait', `${waitSeconds}s`)
      }
      index = undefined // a failure is followed by a question that does not wait
      const answer = await ask(question, signal)
      index = answer.index
      // The next question may follow at once: it waits at Consul.
      return { nodes: readNodes(answer.body), validMs: index === undefined ? undefined : 0 }
    },
  }
}

/** An entry of the answer, of which every part is checked. */
interface Entry {
  readonly Node?: { readonly Address?: unknown }
  readonly Service?: {
    readonly ID?: unknown
    readonly Address?: unknown
    readonly Port?: unknown
    readonly Meta?: { readonly zone?: unknown }
  }
}

/** Throws if the answer is no list. Entries without an address or a port are left out. */
function readNodes(body: unknown): DiscoveredNode[] {
  if (!Array.isArray(body)) throw new TypeError('the answer of Consul is no list')
  return (body as readonly Entry[]).flatMap(({ Node, Service }) => {
    const host = Service?.Address || Node?.Address
    const port = Service?.Port
    if (typeof host !== 'string' || typeof port !== 'number') return []
    const name = typeof Service?.ID === 'string' ? Service.ID : undefined
    const zone = typeof Service?.Meta?.zone === 'string' ? Service.Meta.zone : undefined
    return [{ host, port, name, zone }]
  })
}

/** What Consul answered, and the index of its answer. */
interface Answer {
  readonly body: unknown
  readonly index: string | undefined
}

function ask(url: URL, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('error', reject).on('end', () => {
        const { statusCode, headers } = response
        try {
          if (statusCode !== 200) throw new Error(`Consul answers with status ${statusCode}`)
          resolve({
            body: JSON.parse(text),
            index: headers['x-consul-index'] as string | undefined,
          })
        } catch (error) {
          reject(error)
        }
      })
    })
    // A question that waits must not keep the process alive.
    request.on('socket', (socket) => socket.unref()).on('error', reject)
  })
}
