import { type ChildProcess, spawn } from 'node:child_process'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '@poolhouse/testkit'

/** A dev server that compiles on a busy machine takes its time. */
const PATIENCE_MS = 60_000

/** What an application answered. */
export interface Answer {
  /** Status of the answer. */
  readonly status: number
  /** The body, if it is JSON; undefined for an empty one. */
  // biome-ignore lint/suspicious/noExplicitAny: each route has a body of its own
  readonly body: any
  /** The cookies that it sets, as a client sends them back. */
  readonly cookie: string
}

/** What is sent to an application. */
export interface Sent {
  /** Sent as JSON. */
  readonly body?: unknown
  /** The header of this name. */
  readonly cookie?: string | undefined
}

/** An application that answers HTTP, in a process of its own. */
export class Application {
  /** Its process. */
  readonly process: ChildProcess
  readonly #port: number
  readonly #ended: Promise<string>
  #output = ''
  #isOver = false

  /** Use `startApplication`. */
  constructor(child: ChildProcess, port: number) {
    this.process = child
    this.#port = port
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    // Even one that is stopped does not outlive a recipe that fails.
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    this.#ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        process.off('exit', kill)
        this.#isOver = true
        resolve(String(signal ?? code))
      })
    })
  }

  /** What it has printed. */
  get output(): string {
    return this.#output
  }

  /** Sends a request, on a connection of its own. Rejects after 60 s without an answer. */
  ask(method: string, path: string, { body, cookie }: Sent = {}): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...(cookie ? { cookie } : {}) }
    const options = { method, path, headers, port: this.#port, agent: false, timeout: PATIENCE_MS }
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', ...options }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
        })
        response.on('error', reject).on('end', () => {
          const cookies = response.headers['set-cookie'] ?? []
          const given = cookies.map((each) => each.split(';')[0]).join('; ')
          const isJson = response.headers['content-type']?.startsWith('application/json')
          const read = isJson ? JSON.parse(text) : text
          resolve({ status: response.statusCode ?? 0, body: read, cookie: given })
        })
      })
      asked.on('error', reject).on('timeout', () => asked.destroy(new Error(`${path} hangs`)))
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Asks until the answer has this status. Throws if that takes too long. */
  async until(status: number, method: string, path: string, sent?: Sent): Promise<Answer> {
    const deadline = performance.now() + PATIENCE_MS
    let seen = 'no answer'
    while (performance.now() < deadline && !this.#isOver) {
      try {
        const answer = await this.ask(method, path, sent)
        if (answer.status === status) return answer
        seen = `${answer.status} ${JSON.stringify(answer.body)}`
      } catch (error) {
        seen = String(error)
      }
      await sleep(20)
    }
    throw new Error(`${method} ${path}: expected ${status}, got ${seen}\n${this.#output}`)
  }

  /**
   * Sends SIGTERM. Returns how the process ended: its exit code or the name of the signal. Throws
   * if it does not end.
   */
  async terminate(): Promise<string> {
    this.process.kill('SIGTERM')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE_MS)
    const end = await this.#ended
    clearTimeout(timer)
    if (end === 'SIGKILL') throw new Error(`it did not end at SIGTERM\n${this.#output}`)
    return end
  }
}

/** Starts an application that listens on the port in the variable `PORT`. */
export async function startApplication(
  args: (port: number) => readonly string[],
  variables: Readonly<Record<string, string>>,
  cwd: string = process.cwd(),
): Promise<Application> {
  const port = await freePort()
  const env = { ...process.env, ...variables, PORT: String(port) }
  const child = spawn(process.execPath, args(port), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  return new Application(child, port)
}

/** URL that lists all servers; the sessions of its clients are called `name`. */
export function urlOf({ nodes, user, database }: Cluster, name: string, other = database): string {
  const hosts = nodes.map(({ host, port }) => `${host}:${port}`).join(',')
  return `postgres://${user}@${hosts}/${other}?application_name=${name}`
}

/** The sessions of this name on all servers that run, as `server:pid`, in order. */
export async function sessionsOf({ nodes }: Cluster, name: string): Promise<string[]> {
  const found: string[] = []
  for (const node of nodes) {
    if (!node.running) continue
    const rows = await node.sql<{ pid: number }>(
      'select pid from pg_stat_activity where application_name = $1',
      [name],
    )
    found.push(...rows.map(({ pid }) => `${node.name}:${pid}`))
  }
  return found.sort()
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
