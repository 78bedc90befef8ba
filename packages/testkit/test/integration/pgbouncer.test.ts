import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client, type ClientConfig } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type ClusterAuth, startCluster, startPgBouncer } from '../../src/index.js'
import { listServerProcesses } from '../../src/machine/process-table.js'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, auth: 'scram-sha-256' })
})
afterAll(() => cluster?.stop())

async function ask(config: ClientConfig, text: string): Promise<unknown[]> {
  const client = new Client(config)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('a PgBouncer', () => {
  // The first test may have to fetch the package.
  it('stands between its clients and the server, with the pool it was told to have', async () => {
    await using pgbouncer = await startPgBouncer({ target: cluster.primary.url, poolSize: 1 })
    const pid = 'select pg_backend_pid() as pid'
    const [first] = await ask({ connectionString: pgbouncer.url }, pid)
    expect(await ask({ connectionString: pgbouncer.url }, pid)).toEqual([first])
    const pools = await pgbouncer.admin<{ database: string; pool_mode: string }>('SHOW POOLS')
    expect(pools.find(({ database }) => database === 'app')?.pool_mode).toBe('transaction')
    expect(await pgbouncer.logTail()).toContain('login attempt')
  }, 180_000)

  it.each<[ClusterAuth, boolean]>([
    ['trust', true],
    ['scram-sha-256', false],
    ['scram-sha-256', true],
    ['md5', false],
    ['password', false],
  ])('asks for %s, TLS: %s', async (auth, tls) => {
    await using pgbouncer = await startPgBouncer({ target: cluster.primary.url, auth, tls })
    const { ca, url } = pgbouncer
    const ssl = ca === undefined ? false : { ca }
    const rows = await ask({ connectionString: url, ssl }, 'select current_user as who')
    expect(rows).toEqual([{ who: 'app' }])
    const wrong = new URL(url)
    wrong.password = 'wrong'
    const refused = ask({ connectionString: wrong.href, ssl }, 'select 1')
    if (auth === 'trust') await refused
    else await expect(refused).rejects.toThrow(/authentication failed/)
    if (tls) {
      const plain = ask({ connectionString: url, ssl: false }, 'select 1')
      await expect(plain).rejects.toThrow(/SSL required/)
    }
  })

  it('is gone with its files when it was stopped, twice if need be', async () => {
    const pgbouncer = await startPgBouncer({ target: cluster.primary.url })
    const [row] = await pgbouncer
      .admin<{ value: string }>('SHOW CONFIG')
      .then((rows) =>
        rows.filter((setting) => (setting as { key?: string }).key === 'unix_socket_dir'),
      )
    const home = row!.value
    expect(listServerProcesses(home, 0)).toHaveLength(1)
    // A client that stays does not hold it up.
    const client = new Client({ connectionString: pgbouncer.url })
    client.on('error', () => undefined)
    await client.connect()
    await pgbouncer.stop()
    await pgbouncer.stop()
    expect(listServerProcesses(home, 0)).toEqual([])
    expect(existsSync(home)).toBe(false)
    await client.end()
  })

  it('that cannot start gives an error with the end of its log, and leaves nothing behind', async () => {
    const settings = { pool_mode: 'nonsense' }
    await expect(startPgBouncer({ target: cluster.primary.url, settings })).rejects.toThrow(
      /pgbouncer did not start; end of its log:.*nonsense/s,
    )
  })

  it('goes with the process that started it, even if that is killed', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
    await chmod(temporary, 0o755) // root's PgBouncer runs as another user
    try {
      const child = run(temporary)
      await once(child.stdout!, 'data')
      const homes = directories(temporary)
      const pids = homes.flatMap((home) => listServerProcesses(home, 0))
      expect(pids).toHaveLength(1)
      child.kill('SIGKILL')
      await once(child, 'exit')
      const start = performance.now()
      while (directories(temporary).length > 0 && performance.now() - start < 10_000) {
        await sleep(20)
      }
      expect(directories(temporary)).toEqual([])
      expect(homes.flatMap((home) => listServerProcesses(home, 0))).toEqual([])
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
})

function directories(temporary: string): string[] {
  const names = readdirSync(temporary).filter((name) => name.startsWith('poolhouse-'))
  return names.map((name) => join(temporary, name))
}

/** A process with a PgBouncer, and with a temporary directory of its own. */
function run(temporary: string): ChildProcess {
  const module = new URL('../../src/programs/pgbouncer/pgbouncer.ts', import.meta.url).href
  const program = `
    import { startPgBouncer } from ${JSON.stringify(module)}
    await startPgBouncer({ target: ${JSON.stringify(cluster.primary.url)} })
    console.log('ready')
    setInterval(() => undefined, 1000)
  `
  const source = ['--conditions=@poolhouse/source', '--import', 'tsx', '--input-type=module']
  return spawn(process.execPath, [...source, '--eval', program], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
