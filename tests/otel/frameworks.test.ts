import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HttpBindings, serve } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { createPool } from '@poolhouse/core'
import { systemClock } from '@poolhouse/core/kit'
import { fakeDriver } from '@poolhouse/core/testing'
import { metricsHandler } from '@poolhouse/otel'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import { HONO } from '../support/hono.js'

const pool = createPool({
  driver: fakeDriver({ clock: systemClock }),
  connection: 'postgres://app@localhost/app',
  name: 'orders',
})
const metrics = metricsHandler(pool)

/** How each framework serves the metrics: returns a listening server. */
const FRAMEWORKS: Readonly<Record<string, () => Promise<Server>>> = {
  'node:http': async () => await listening(createServer(metrics).listen(0, '127.0.0.1')),
  Express: async () => {
    const app = express()
    app.get('/metrics', metrics)
    return await listening(app.listen(0, '127.0.0.1'))
  },
  Fastify: async () => {
    const app = fastify()
    app.get('/metrics', (request, reply) => {
      reply.hijack()
      void metrics(request.raw, reply.raw)
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app.server
  },
  Hono: async () => {
    const app = new Hono<{ Bindings: HttpBindings }>()
    app.get('/metrics', async ({ env }) => {
      await metrics(env.incoming, env.outgoing)
      return RESPONSE_ALREADY_SENT
    })
    return await listening(serve({ ...HONO, fetch: app.fetch }) as unknown as Server)
  },
}

async function listening(server: Server): Promise<Server> {
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  return server
}

test.each(Object.keys(FRAMEWORKS))('T124: metrics are served by %s', async (framework) => {
  const server = await FRAMEWORKS[framework]!()
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, metrics.contentType])
  expect(await answer.text()).toContain('db_client_connection_max{')
})
