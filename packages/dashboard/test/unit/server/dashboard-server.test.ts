import {
  createServer,
  get,
  type IncomingMessage,
  type RequestOptions,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDashboard, type Dashboard, type DashboardOptions } from '../../../src/index.js'
import { type Observed, observed } from '../support/observed.js'

let source: Observed
let dashboard: Dashboard
let server: Server
let port: number

async function serve(options?: DashboardOptions): Promise<void> {
  source = observed([{ name: 'app', stats: () => ({ leased: 3 }) }])
  dashboard = createDashboard(source, options)
  server = createServer(dashboard)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
}

beforeEach(() => serve())

afterEach(async () => {
  dashboard.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function ask(path: string, init?: RequestInit): Promise<Response> {
  return await fetch(`http://127.0.0.1:${port}${path}`, init)
}

/** A stream of events, as a browser reads it. */
async function follow(path: string, options: RequestOptions = {}) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, ...options }, resolve).on('error', reject)
  })
  let text = ''
  const waiting: (() => void)[] = []
  const wake = (): void => {
    for (const each of waiting.splice(0)) each()
  }
  let ended = false
  response.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    wake()
  })
  response.on('close', () => {
    ended = true
    wake()
  })
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return {
    response,
    /** Resolves with the data of the first event of this name. */
    async event(name: string): Promise<never> {
      const begin = `event: ${name}\ndata: `
      await until(() => text.includes(begin) && text.indexOf('\n\n', text.indexOf(begin)) > 0)
      const from = text.indexOf(begin) + begin.length
      return JSON.parse(text.slice(from, text.indexOf('\n\n', from))) as never
    },
    /** Resolves when this text has come. */
    text: (wanted: string) => until(() => text.includes(wanted)),
    async end(): Promise<void> {
      await until(() => ended)
    },
    leave: () => response.destroy(),
  }
}

describe.each(['/', '/_pool/', '/any/where/'])('mounted at %s', (at) => {
  test('the page, its stream and its numbers are there', async () => {
    const page = await ask(at)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toContain("script-src 'sha256-")
    expect(await page.text()).toContain('<title>Poolhouse</title>')
    const state = await (await ask(`${at}state.json`)).json()
    expect(state).toMatchObject({ pools: [{ name: 'app', connections: { used: 3 } }] })
    const stream = await follow(`${at}events`)
    expect(stream.response.headers['content-type']).toBe('text/event-stream')
    expect(await stream.event('past')).toMatchObject({ state: { pools: [{ name: 'app' }] } })
    stream.leave()
  })
})

test('what is nowhere is 404', async () => {
  for (const path of ['/favicon.ico', '/_pool', '/_pool/x.js', '//', '/..%2fevents']) {
    expect([path, (await ask(path)).status]).toEqual([path, path === '//' ? 200 : 404])
  }
})

test('a framework that answers by itself meanwhile is left alone', async () => {
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    dashboard(request, response)
    response.end('its own')
  })
  expect(await (await ask('/')).text()).toBe('its own')
})

test.each(['/', '/events', '/state.json', '/nothing'])(
  'an answer that was sent before is left alone: %s',
  async (path) => {
    server.removeAllListeners('request')
    let thrown: unknown
    server.on('request', (request, response) => {
      response.writeHead(202)
      try {
        dashboard(request, response)
      } catch (error) {
        thrown = error
      }
      response.end('its own')
    })
    const answer = await ask(path)
    expect([answer.status, await answer.text(), thrown]).toEqual([202, 'its own', undefined])
  },
)

test('HEAD gets the headers alone, and nothing but GET and HEAD is answered', async () => {
  for (const path of ['/', '/events', '/state.json']) {
    const head = await ask(path, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const response = await ask('/', { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
  }
})

test('every answer forbids to sniff, to frame, to keep and to pass on', async () => {
  for (const path of ['/', '/state.json', '/nothing']) {
    const { headers } = await ask(path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('cache-control')).toContain('no-store')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  }
})

test('another name of this machine is refused without a token', async () => {
  const refused = await follow('/', { headers: { host: 'rebound.example' } })
  expect(refused.response.statusCode).toBe(403)
  refused.leave()
})

test('a token in the address brings the page and a cookie, which brings the stream', async () => {
  dashboard.close()
  server.close()
  await serve({ token: 'secret' })
  expect((await ask('/')).status).toBe(401)
  expect((await ask('/events')).status).toBe(401)
  expect((await ask('/?token=wrong')).status).toBe(401)
  const page = await ask('/?token=secret')
  expect(page.status).toBe(200)
  expect(await page.text()).not.toContain('secret')
  const [cookie = ''] = (page.headers.get('set-cookie') ?? '').split(';')
  const stream = await follow('/events', { headers: { cookie } })
  expect(stream.response.statusCode).toBe(200)
  stream.leave()
})

test('news reaches every open page at once', async () => {
  const streams = [await follow('/events'), await follow('/events')]
  for (const stream of streams) await stream.event('past')
  source.tell('admitted', { pool: 'app', node: 'b', reason: 'a probe' })
  for (const stream of streams) {
    await stream.text('"kind":"relief","text":"b is admitted: a probe"')
    stream.leave()
  }
})

test('close ends the streams, stops listening, and later requests get 503', async () => {
  const stream = await follow('/events')
  await stream.event('past')
  expect(source.listeners).toBeGreaterThan(0)
  dashboard.close()
  dashboard.close()
  await stream.end()
  expect(source.listeners).toBe(0)
  expect((await ask('/')).status).toBe(503)
})

test('the handler is the dashboard itself, by name', async () => {
  server.close()
  server = createServer(dashboard.handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  expect((await ask('/state.json')).status).toBe(200)
})

describe('wrong arguments', () => {
  test.each([
    [{ token: '' }, /createDashboard.*token/],
    [{ token: 7 }, /createDashboard.*token/],
    [{ intervalMs: 5 }, /createDashboard.*intervalMs.*5/],
    [{ interval: 500 }, /unknown option "interval".*intervalMs/],
  ])('%j is refused', (options, message) => {
    expect(() => createDashboard(source, options as never)).toThrow(message)
  })

  test('what is neither a pool nor a manager is refused', () => {
    expect(() => createDashboard({} as never)).toThrow(
      new TypeError('createDashboard: give a pool or a manager of Poolhouse, got an object'),
    )
  })
})
