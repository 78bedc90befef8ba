import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HttpBindings, serve } from '@hono/node-server'
import { createPool } from '@poolhouse/core'
import { systemClock } from '@poolhouse/core/kit'
import { fakeDriver } from '@poolhouse/core/testing'
import { createDashboard, type Dashboard } from '@poolhouse/dashboard'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HONO } from '../support/hono.js'
import { mountExpress, mountFastify, mountHono } from './frameworks.js'

const pool = createPool({
  driver: fakeDriver({ clock: systemClock }),
  connection: 'postgres://app@localhost/app',
  name: 'orders',
})
let dashboard: Dashboard

beforeEach(() => {
  dashboard = createDashboard(pool)
})

afterEach(() => dashboard.close())

/** How each framework serves the page: returns its port and what ends it. */
const FRAMEWORKS: Readonly<Record<string, () => Promise<Served>>> = {
  'node:http': async () => await listening(createServer(dashboard).listen(0, '127.0.0.1')),
  Express: async () => {
    const app = express()
    mountExpress(app, dashboard)
    return await listening(app.listen(0, '127.0.0.1'))
  },
  Fastify: async () => {
    const app = fastify()
    mountFastify(app, dashboard)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return served(app.server, () => app.close())
  },
  Hono: async () => {
    const app = new Hono<{ Bindings: HttpBindings }>()
    mountHono(app, dashboard)
    return await listening(serve({ ...HONO, fetch: app.fetch }) as Server)
  },
}

interface Served extends AsyncDisposable {
  readonly address: string
}

function served(server: Server, close: () => Promise<unknown>): Served {
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/_pool/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await close()
    },
  }
}

async function listening(server: Server): Promise<Served> {
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  return served(server, () => new Promise((resolve) => server.close(resolve)))
}

test.each(Object.entries(FRAMEWORKS))(
  '%s serves the page at a path of its own, its numbers, and its stream',
  async (_name, start) => {
    await using framework = await start()
    const { address } = framework
    const page = await fetch(address)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<title>Poolhouse</title>')
    const state = await (await fetch(`${address}state.json`)).json()
    expect(state).toMatchObject({ pools: [{ name: 'orders', connections: { max: 10 } }] })
    const stream = await fetch(`${address}events`)
    const [first] = await Promise.all([stream.body!.getReader().read()])
    expect(new TextDecoder().decode(first!.value)).toContain('event: past')
    expect((await fetch(`${address}elsewhere`)).status).toBe(404)
    dashboard.close()
  },
)

test('the README shows how each framework mounts it', async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')
  const [readme, code] = await Promise.all([
    read('../../packages/dashboard/README.md'),
    read('./frameworks.ts'),
  ])
  expect(readme).toContain(`\`\`\`ts\n${code}\`\`\``)
})
