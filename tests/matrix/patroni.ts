import { setTimeout as sleep } from 'node:timers/promises'
import { type PatroniCluster, startHaproxy, startPatroni } from '@poolhouse/testkit'
import { promotionOf } from '../managers/managed-setup.js'
import { addressOf, type Ground } from './ground.js'

const PASSWORD = 'open sesame'
const SETTLED_MS = 30_000

/** A Patroni cluster behind two ports of HAProxy, which asks Patroni where the primary is. */
export async function startProxied(): Promise<Ground> {
  const patroni = await startPatroni()
  const ports = patroni.restUrls.map((url) => Number(new URL(url).port))
  const targets = [...patroni.urls]
  const front = await startHaproxy({ targets, health: { path: '/primary', ports } })
  const behind = await startHaproxy({ targets, health: { path: '/replica', ports } })
  const first = await patroni.leader()
  await first.sql(`create role app login password '${PASSWORD}'`)
  await demandPasswords(patroni)
  await first.sql('alter database postgres owner to app')
  const [row] = await first.sql<{ server_version: string }>('show server_version')
  const asApp = (url: string): string =>
    url.replace('postgres@', `app:${encodeURIComponent(PASSWORD)}@`)
  const sql = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> =>
    await (await patroni.leader()).sql<Row>(text, values)
  return {
    versions: {
      HAProxy: /^Version: ([\d.]+)/m.exec(await front.admin('show info'))?.[1] ?? '2.6',
      Patroni: /Patroni\/([\d.]+)/.exec(await patroniVersion(patroni.restUrls[0]!))?.[1] ?? '3.0.2',
      PostgreSQL: row!.server_version,
      'Node.js': process.versions.node,
    },
    url: asApp(front.url),
    options: {},
    server: {
      ...addressOf(front.url),
      user: 'app',
      password: PASSWORD,
      database: 'postgres',
      socketDirectory: '/nowhere',
      replica: undefined,
      sql,
      async [Symbol.asyncDispose]() {},
    },
    replicaUrl: asApp(behind.url),
    async field() {
      await patroni.healthy()
      await sql('drop table if exists poolhouse_history')
      return {
        urls: [asApp(front.url)],
        async fail() {
          const old = await patroni.leader()
          await old.killPostmaster()
          await promotionOf(patroni, old)
        },
        async [Symbol.asyncDispose]() {},
      }
    },
    async [Symbol.asyncDispose]() {
      await front.stop()
      await behind.stop()
      await patroni.stop()
    },
  }
}

/** Has every node ask `app` for its password, which the suites of drivers want. */
async function demandPasswords({ restUrls, nodes }: PatroniCluster): Promise<void> {
  const rules = ['host all app 127.0.0.1/32 scram-sha-256']
  const kept = ['local all all trust', 'host all all 127.0.0.1/32 trust']
  const replication = ['host replication all 127.0.0.1/32 trust']
  const body = JSON.stringify({ postgresql: { pg_hba: [...rules, ...kept, ...replication] } })
  const answer = await fetch(`${restUrls[0]}/config`, { method: 'PATCH', body })
  if (!answer.ok) throw new Error(`Patroni answered ${answer.status}: ${await answer.text()}`)
  const deadline = performance.now() + SETTLED_MS
  for (const node of nodes) {
    const text = `select from pg_hba_file_rules where auth_method = 'scram-sha-256' and error is null`
    while ((await node.sql(text)).length === 0) {
      if (performance.now() > deadline) throw new Error(`${node.name} asks for no password`)
      await sleep(100)
    }
    await node.sql('select pg_reload_conf()')
  }
  await sleep(500)
}

async function patroniVersion(url: string): Promise<string> {
  const response = await fetch(`${url}/patroni`)
  const { patroni } = (await response.json()) as { patroni?: { version?: string } }
  return `Patroni/${patroni?.version ?? ''}`
}
