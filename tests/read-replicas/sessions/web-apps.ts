import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import {
  expressReplicas,
  fastifyReplicas,
  honoReplicas,
  type ReplicaPool,
} from '@poolhouse/read-replicas'
import express from 'express'
import fastify, { type FastifyRequest } from 'fastify'
import { type Context, Hono } from 'hono'
import { HONO } from '../../support/hono.js'

/** What the routes of every app do. */
export interface NotesApi {
  add(id: number): Promise<unknown>
  find(id: number): Promise<unknown>
  search(id: number): Promise<unknown>
}

/** What the middleware is told, in words that every framework understands. */
interface WebOptions {
  monotonicReads?: boolean
}

/** An app that is served on a port of this machine. */
interface WebApp extends AsyncDisposable {
  readonly url: string
}

/**
 * A framework and how an app is made with it: `POST /notes`, `GET /notes/:id`, and `POST /search`,
 * which only reads.
 */
export interface Framework {
  readonly framework: string
  start(db: ReplicaPool, api: NotesApi, options?: WebOptions): Promise<WebApp>
}

const isSearch = (path: string): 'read' | undefined => (path === '/search' ? 'read' : undefined)

/** Every framework that has a middleware. */
export const FRAMEWORKS: readonly Framework[] = [
  {
    framework: 'express',
    async start(db, api, options) {
      const app = express()
      app.use(
        expressReplicas<express.Request>(db, { intent: ({ path }) => isSearch(path), ...options }),
      )
      app.use(express.json())
      app.post('/notes', async (request, response) => {
        response.cookie('other', 'kept').json(await api.add(request.body.id))
      })
      app.get('/notes/:id', async (request, response) => {
        response.json(await api.find(Number(request.params['id'])))
      })
      app.post('/search', async (request, response) => {
        response.json(await api.search(request.body.id))
      })
      const server = createServer(app)
      await listening(server)
      return { url: urlOf(server.address()), [Symbol.asyncDispose]: () => closed(server) }
    },
  },
  {
    framework: 'fastify',
    async start(db, api, options) {
      const app = fastify()
      await app.register(
        fastifyReplicas(db, {
          intent: ({ url }: FastifyRequest) => isSearch(url),
          ...options,
        }),
      )
      app.post<{ Body: { id: number } }>('/notes', async (request, reply) => {
        reply.header('set-cookie', 'other=kept')
        return await api.add(request.body.id)
      })
      app.get<{ Params: { id: string } }>('/notes/:id', async (request) =>
        api.find(Number(request.params.id)),
      )
      app.post<{ Body: { id: number } }>('/search', async (request) => api.search(request.body.id))
      await app.listen({ host: '127.0.0.1', port: 0 })
      return { url: urlOf(app.server.address()), [Symbol.asyncDispose]: () => app.close() }
    },
  },
  {
    framework: 'hono',
    async start(db, api, options) {
      const app = new Hono()
      app.use(
        honoReplicas(db, {
          intent: ({ req }: Context) => isSearch(new URL(req.url).pathname),
          ...options,
        }),
      )
      app.post('/notes', async (context) => {
        context.header('set-cookie', 'other=kept', { append: true })
        return context.json((await api.add((await context.req.json()).id)) as object)
      })
      app.get('/notes/:id', async (context) =>
        context.json((await api.find(Number(context.req.param('id')))) as object),
      )
      app.post('/search', async (context) =>
        context.json((await api.search((await context.req.json()).id)) as object),
      )
      const server = serve({ ...HONO, fetch: app.fetch }) as Server
      if (!server.listening) await listening(server, false)
      return { url: urlOf(server.address()), [Symbol.asyncDispose]: () => closed(server) }
    },
  },
]

async function listening(server: Server, begin = true): Promise<void> {
  await new Promise<void>((resolve) => {
    server.once('listening', resolve)
    if (begin) server.listen(0, '127.0.0.1')
  })
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function urlOf(address: AddressInfo | string | null): string {
  return `http://127.0.0.1:${(address as AddressInfo).port}`
}
