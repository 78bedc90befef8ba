import { randomUUID } from 'node:crypto'

/** How much load, and from where it stops by itself. */
export interface LoadOptions {
  /** The API, on this machine. */
  readonly url: string
  /** Requests in all. */
  readonly requests: number
  /** Customers at a time; each waits for its answer before it asks again. */
  readonly customers: number
}

/** What the customers saw. */
export class LoadReport {
  readonly latencies: number[] = []
  readonly statuses = new Map<number, number>()
  readonly nodes = new Map<string, number>()
  /** What the answers of 500 and above said, and how often. */
  readonly errors = new Map<string, number>()
  /** Orders that their own customer did not find right after they were placed. */
  unseen = 0
  /** Requests that were refused: no process listened. */
  refused = 0
  #seconds = 0

  /** Ends the measurement. */
  close(seconds: number): this {
    this.#seconds = seconds
    return this
  }

  /** How often there was an answer of this kind: 2 for 200 to 299. */
  answers(hundreds: number): number {
    const all = [...this.statuses].filter(([status]) => Math.floor(status / 100) === hundreds)
    return all.reduce((sum, [, count]) => sum + count, 0)
  }

  /** The figures in one line. */
  toString(): string {
    const sorted = this.latencies.toSorted((a, b) => a - b)
    const at = (share: number): string =>
      (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1)
    const nodes = [...this.nodes].sort().map(([node, count]) => `${node} ${count}`)
    return (
      `${sorted.length} answers, ${Math.round(sorted.length / this.#seconds)}/s, ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; served by ${nodes.join(', ')}`
    )
  }
}

/**
 * Customers who place an order now and then, look at it at once, and at others in between. Bounded
 * in count; loopback only.
 */
export async function runLoad({ url, requests, customers }: LoadOptions): Promise<LoadReport> {
  const report = new LoadReport()
  const began = performance.now()
  let left = requests
  const next = (): boolean => left-- > 0
  await Promise.all(Array.from({ length: customers }, () => customer(url, next, report)))
  return report.close((performance.now() - began) / 1_000)
}

async function customer(url: string, next: () => boolean, report: LoadReport): Promise<void> {
  let cookie = ''
  const ask = async (path: string, init: RequestInit = {}): Promise<Response | undefined> => {
    const began = performance.now()
    const response = await fetch(url + path, {
      ...init,
      headers: { ...init.headers, cookie },
    }).catch(() => undefined)
    if (response === undefined) {
      report.refused += 1
      return undefined
    }
    const text = await response.text()
    if (response.status >= 500) count(report.errors, text)
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    report.latencies.push(performance.now() - began)
    count(report.statuses, response.status)
    count(report.nodes, response.headers.get('x-served-by') ?? 'no node')
    return response
  }
  while (next()) {
    const id = randomUUID()
    const body = JSON.stringify({ id, item: 'tea' })
    const placed = await ask('/orders', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    if (placed === undefined) return
    if (placed.ok && next() && (await ask(`/orders/${id}`))?.status === 404) {
      report.unseen += 1
    }
    for (let look = 0; look < 3 && next(); look += 1) await ask('/orders')
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
