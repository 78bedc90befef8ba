import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listServerProcesses } from '../../src/machine/process-table.js'

const clusterModule = new URL('../../src/cluster/start-cluster.ts', import.meta.url).href

let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'cleanup-'))
  await chmod(temporary, 0o755) // root's server runs as another user
})
afterEach(() => rm(temporary, { recursive: true, force: true }))

/** Runs a program that has `startCluster`, with a temporary directory of its own. */
function run(program: string): ChildProcess {
  const text = `import { startCluster } from ${JSON.stringify(clusterModule)}\n${program}`
  const args = [
    '--conditions=@poolhouse/source',
    '--import',
    'tsx',
    '--input-type=module',
    '--eval',
    text,
  ]
  return spawn(process.execPath, args, {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** What the kit has put into the temporary directory; tsx keeps a cache there too. */
function directories(): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('poolhouse-'))
}

/** Data directories and process ids of the servers that run below the temporary directory. */
function servers(): { data: string; pid: number }[] {
  return directories().flatMap((directory) =>
    readdirSync(join(temporary, directory)).flatMap((node) => {
      const data = join(temporary, directory, node, 'data')
      const file = join(data, 'postmaster.pid')
      return existsSync(file)
        ? [{ data, pid: Number.parseInt(readFileSync(file, 'utf8'), 10) }]
        : []
    }),
  )
}

async function expectNothingLeft(started: ReturnType<typeof servers>): Promise<void> {
  const isLeft = (): boolean =>
    directories().length > 0 ||
    started.some(({ data, pid }) => listServerProcesses(data, pid).length > 0)
  for (const start = performance.now(); isLeft() && performance.now() - start < 10_000; ) {
    await sleep(20)
  }
  for (const { data, pid } of started) expect(listServerProcesses(data, pid)).toEqual([])
  expect(directories()).toEqual([])
}

it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
  'leaves no server and no file behind when %s ends the process, and does not swallow it',
  async (signal) => {
    const child = run(`
      const cluster = await startCluster({ replicas: 1 })
      await cluster.replicas[0].freeze()
      console.log('ready')
      setInterval(() => undefined, 1000)
    `)
    await once(child.stdout!, 'data')
    const started = servers()
    expect(started).toHaveLength(2)
    child.kill(signal)
    expect(await once(child, 'exit')).toEqual([null, signal])
    await expectNothingLeft(started)
  },
)

it('cleans up after a process that is killed while its cluster is starting', async () => {
  const child = run(`
    console.log('starting')
    await startCluster({ replicas: 2 })
    setInterval(() => undefined, 1000)
  `)
  await once(child.stdout!, 'data')
  const deadline = performance.now() + 10_000
  while (directories().length === 0 && performance.now() < deadline) await sleep(1)
  await sleep(50) // somewhere in the middle; wherever that is, nothing may stay
  child.kill('SIGKILL')
  await once(child, 'exit')
  await expectNothingLeft(servers())
})

it('does not keep the process alive when nothing else does', async () => {
  const child = run(`
    const cluster = await startCluster({ replicas: 1 })
    await cluster.primary.sql('select 1')
    console.log('done')
  `)
  await once(child.stdout!, 'data')
  const started = servers()
  expect(await once(child, 'exit')).toEqual([0, null])
  await expectNothingLeft(started)
})

it('leaves no server and no file behind when an exception ends the process', async () => {
  const child = run(`
    process.on('uncaughtException', () => process.exit(7))
    await startCluster({ replicas: 0 })
    throw new Error('deliberate')
  `)
  expect(await once(child, 'exit')).toEqual([7, null])
  await expectNothingLeft(servers())
})
