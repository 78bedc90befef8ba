import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { createApi } from './api.js'
import { openDatabase } from './database.js'
import { Health } from './health.js'

/** How long a load balancer may take to notice that we are leaving. */
const NOTICE_MS = 300
/** Kubernetes kills 30 s after SIGTERM. */
const GRACE_MS = 20_000

const urls = process.env['DATABASE_URLS']
if (!urls) throw new Error('DATABASE_URLS must list the servers, with spaces between')
const { pool, topology } = await openDatabase(urls.split(' '))
const health = new Health(topology)
const api = createApi(pool, health)
const server = serve({ fetch: api.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  process.send?.({ port })
})

process.once('SIGTERM', leave)
process.once('disconnect', leave) // whoever started this process is gone

async function leave(): Promise<void> {
  if (health.leaving) return
  health.leaving = true // readiness fails, and every answer says that its connection ends
  await sleep(NOTICE_MS)
  server.close() // no new connections; requests under way are answered
  await once(server, 'close')
  await pool.close({ timeoutMs: GRACE_MS - NOTICE_MS })
  if (process.connected) process.disconnect() // the last thing that keeps the process running: it ends by itself
}
