import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { createHealthHandlers, shutdownOnSignals } from '@poolhouse/manager'
import { Hono } from 'hono'
import { createApi } from './api.js'
import { openDatabase } from './database.js'

/** How long a load balancer may take to notice that we are leaving. */
const NOTICE_MS = 300

const urls = process.env['DATABASE_URLS']
if (!urls) throw new Error('DATABASE_URLS must list the servers, with spaces between')
const manager = openDatabase(urls.split(' '))
await manager.ready() // fails now, rather than at the first request

let leaving = false
const app = new Hono()
app.use(async (c, next) => {
  await next()
  // Without it, clients would keep using the connections that they have.
  if (leaving) c.header('connection', 'close')
})
const { livez, readyz } = createHealthHandlers(manager)
app.get('/livez', livez.hono)
app.get('/readyz', readyz.hono)
app.route('/', createApi(manager.database('app')))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  process.send?.({ port })
})

// Readiness fails at once; then what is under way is answered, then the pools are closed. Nothing
// is left, so the process ends by itself.
shutdownOnSignals(manager, {
  graceMs: 20_000,
  exit: false,
  before: async () => {
    leaving = true
    await sleep(NOTICE_MS)
    server.close()
    await once(server, 'close')
  },
})

// The parent process is gone.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
