import { startHaproxy, startPatroni } from '@poolhouse/testkit'
import { promotionOf } from '../managers/managed-setup.js'
import { addressOf, type Ground } from './ground.js'

/** A Patroni cluster behind two ports of HAProxy, which asks Patroni where the primary is. */
export async function startProxied(): Promise<Ground> {
  const patroni = await startPatroni()
  const ports = patroni.restUrls.map((url) => Number(new URL(url).port))
  const targets = [...patroni.urls]
  const front = await startHaproxy({ targets, health: { path: '/primary', ports } })
  const behind = await startHaproxy({ targets, health: { path: '/replica', ports } })
  const first = await patroni.leader()
  await first.sql(`create role app login`)
  await first.sql('alter database postgres owner to app')
  const [row] = await first.sql<{ server_version: string }>('show server_version')
  const asApp = (url: string): string => url.replace('postgres@', 'app@')
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
      password: '',
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

async function patroniVersion(url: string): Promise<string> {
  const response = await fetch(`${url}/patroni`)
  const { patroni } = (await response.json()) as { patroni?: { version?: string } }
  return `Patroni/${patroni?.version ?? ''}`
}
