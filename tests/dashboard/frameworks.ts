import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Dashboard } from '@poolhouse/dashboard'
import type { Express } from 'express'
import type { FastifyInstance } from 'fastify'
import type { Hono } from 'hono'

export function mountExpress(app: Express, dashboard: Dashboard): void {
  app.use('/_pool', dashboard)
}

export function mountFastify(app: FastifyInstance, dashboard: Dashboard): void {
  app.get('/_pool/*', (request, reply) => {
    reply.hijack()
    dashboard(request.raw, reply.raw)
  })
}

export function mountHono(app: Hono<{ Bindings: HttpBindings }>, dashboard: Dashboard): void {
  app.get('/_pool/*', ({ env }) => {
    dashboard(env.incoming, env.outgoing)
    return RESPONSE_ALREADY_SENT
  })
}
