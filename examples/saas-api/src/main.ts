import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '@poolhouse/testkit'
import { startDatabase } from './cluster.js'
import { type LoadReport, runLoad } from './load.js'

const CUSTOMERS = 16
const REQUESTS = 1_200

await main()
console.log('Everything is closed.')

async function main(): Promise<void> {
  await using cluster = await startDatabase()
  const { api, url } = await startApi(cluster)
  try {
    console.log(`health    ${await readiness(url)}`)
    tell('load', await runLoad({ url, requests: REQUESTS, customers: CUSTOMERS }))
    await failOver(url, cluster)
    await drain(api, url)
  } finally {
    api.kill('SIGKILL') // does nothing to a process that has ended
  }
}

/**
 * The API is a process of its own, as in production: the servers in the environment, SIGTERM in the
 * end.
 */
async function startApi(cluster: Cluster): Promise<{ api: ChildProcess; url: string }> {
  const urls = cluster.nodes.map((node) => node.url).join(' ')
  const api = spawn(process.execPath, [...process.execArgv, 'src/server.ts'], {
    env: { ...process.env, DATABASE_URLS: urls },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const failed = once(api, 'exit').then(() => Promise.reject(new Error('the API did not start')))
  const [message] = (await Promise.race([once(api, 'message'), failed])) as [{ port: number }]
  return { api, url: `http://127.0.0.1:${message.port}` }
}

/** The same load, and in the middle of it the primary dies. */
async function failOver(url: string, cluster: Cluster): Promise<void> {
  const running = runLoad({ url, requests: REQUESTS, customers: CUSTOMERS })
  await sleep(500)
  const old = cluster.primary
  await old.kill()
  console.log(`failover  SIGKILL to the primary at ${old.host}:${old.port}`)
  await sleep(300)
  console.log(`health    ${await readiness(url)}`)
  await cluster.failover()
  tell('failover', await running)
  console.log(`health    ${await readiness(url)}`)
}

/**
 * SIGTERM under load, as from Kubernetes. Requests in flight are answered; later ones are refused.
 */
async function drain(api: ChildProcess, url: string): Promise<void> {
  const exited = once(api, 'exit')
  const running = runLoad({ url, requests: 10 * REQUESTS, customers: CUSTOMERS })
  await sleep(500)
  const began = performance.now()
  api.kill('SIGTERM')
  await sleep(100)
  console.log(`health    ${await readiness(url)}`)
  tell('drain', await running)
  const [exitCode] = (await exited) as [number | null]
  const ms = Math.round(performance.now() - began)
  console.log(`drain     the process ended by itself ${ms} ms after SIGTERM, exit code ${exitCode}`)
  if (exitCode !== 0) throw new Error('the API did not end in order')
}

async function readiness(url: string): Promise<string> {
  const response = await fetch(`${url}/readyz`)
  const { status, reasons } = (await response.json()) as { status: string; reasons?: string[] }
  const why = reasons === undefined ? '' : `: ${reasons[0]?.split(';')[0]}`
  return `/readyz says ${response.status}, ${status}${why}`
}

function tell(what: string, report: LoadReport): void {
  console.log(`${what.padEnd(9)} ${report}`)
  const errors = report.answers(5)
  console.log(
    `          ${report.answers(2)} good, ${errors} errors, ${report.unseen} own orders not seen at once, ` +
      `${report.refused} requests refused`,
  )
  for (const [error, times] of report.errors) console.log(`          ${times} × ${error}`)
  if (errors > 0) throw new Error('a request failed')
  if (report.unseen > 0) throw new Error('a customer did not see its own order')
}
