import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { testCli } from './cli-child.js'

const cli = testCli()
let cluster: Cluster
let url: string

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
  url = `postgres://app@${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}/app`
})
afterAll(async () => {
  await cluster?.stop()
})

interface Document {
  readonly servers: readonly Readonly<Record<string, unknown>>[]
}

it('ends although the configuration file keeps the process busy, and prints no password that it throws', async () => {
  const cwd = await cli.folder()
  const busy = `setInterval(() => {}, 1_000)
export default { databases: { app: { primary: 'postgres://app@127.0.0.1:1/app' } } }`
  await writeFile(join(cwd, 'poolhouse.config.mjs'), busy)
  const { exitCode } = await cli.run(['ping', '--json', '--timeout', '500ms'], { cwd })
  expect(exitCode).not.toBe(0)
  const told = `throw new Error('not good: {"password": "hunter2"}, password: hunter3')`
  await writeFile(join(cwd, 'poolhouse.config.mjs'), told)
  const { stdout, stderr } = await cli.run(['ping', '--json'], { cwd })
  expect(stdout).toContain('not good')
  expect(stdout + stderr).not.toMatch(/hunter/)
})

it('keeps what a configuration file prints out of its answer', async () => {
  const cwd = await cli.folder()
  const chatty = `console.log('loading'); process.stdout.write('still loading\\n')
const password = () => { console.log('asked for the password'); return 'x' }
export default { databases: { app: { primary: { host: '127.0.0.1', port: 1, user: 'app', password } } } }`
  await writeFile(join(cwd, 'poolhouse.config.mjs'), chatty)
  const { stdout, stderr } = await cli.run(['ping', '--json', '--timeout', '500ms'], { cwd })
  expect(JSON.parse(stdout)).toMatchObject({ command: 'ping', exitCode: 1 })
  expect(stderr).toMatch(/^loading\nstill loading\n/)
})

it('says so if the configuration file ends the process, or waits for what never comes', async () => {
  const cwd = await cli.folder()
  for (const text of ['process.exit(0)', 'await new Promise(() => {})']) {
    await writeFile(join(cwd, 'poolhouse.config.mjs'), text)
    const plain = await cli.run(['ping'], { cwd })
    expect(plain).toMatchObject({ exitCode: 1, stdout: '' })
    expect(plain.stderr).toMatch(/^poolhouse: the process has ended before .*\n$/)
    const { exitCode, stdout } = await cli.run(['ping', '--json'], { cwd })
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, exitCode: 1 })
  }
})

it('says in one line what the configuration file has thrown later, without its password', async () => {
  const cwd = await cli.folder()
  const text = `setTimeout(() => { throw new Error('postgres://u:s3cret@h/db is bad') }, 10)
await new Promise((resolve) => setTimeout(resolve, 10_000))`
  await writeFile(join(cwd, 'poolhouse.config.mjs'), text)
  expect(await cli.run(['ping'], { cwd })).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr:
      'poolhouse: an error that nothing has caught has ended the process: postgres://u:[redacted]@h/db is bad\n',
  })
})

it('says in one line that its answer could not be written', async () => {
  const full = `$POOLHOUSE explain-route 'select 1' > /dev/full; echo $?`
  expect(await cli.shell(full).ended).toMatchObject({
    stdout: '1\n',
    stderr: 'poolhouse: the answer could not be written: ENOSPC: no space left on device, write\n',
  })
  const closed = `{ $POOLHOUSE explain-route 'select 1' --json; echo $? >&2; } | true`
  expect((await cli.shell(closed).ended).stderr).toBe(
    'poolhouse: the answer could not be written: the reader of stdout has gone (EPIPE)\n1\n',
  )
})

it('explains a command by help and its name', async () => {
  const { exitCode, stdout } = await cli.run(['help', 'ping'])
  expect([exitCode, stdout.includes('ping')]).toEqual([0, true])
})

describe('ping', () => {
  it('says which servers answer, what they are, and how fast', async () => {
    const { exitCode, stdout, stderr } = await cli.run(['ping', url, '--json'])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const { servers } = JSON.parse(stdout) as Document
    expect(servers).toMatchObject([
      { database: 'app', ok: true, role: 'primary', answerMs: expect.any(Number) },
      { database: 'app', ok: true, role: 'replica', connectMs: expect.any(Number) },
    ])
    expect((await cli.run(['ping', url])).stdout).toMatch(/^database +server +role/)
  })

  it('ends with exit code 1 if one server does not answer', async () => {
    const down = url.replace(/\/app$/, ',127.0.0.1:1/app')
    const { exitCode, stdout } = await cli.run(['ping', down, '--json'])
    expect(exitCode).toBe(1)
    const { servers } = JSON.parse(stdout) as Document
    expect(servers.map(({ ok }) => ok)).toEqual([true, true, false])
    expect(servers[2]!['error']).toContain('ECONNREFUSED')
  })

  it('gives up a server that is silent after --timeout', async () => {
    const replica = cluster.nodes[1]!
    await replica.freeze()
    try {
      const began = performance.now()
      const { exitCode, stdout } = await cli.run(['ping', replica.url, '--timeout', '300ms'])
      expect(exitCode).toBe(1)
      expect(stdout).toContain('no answer')
      expect(performance.now() - began).toBeLessThan(10_000)
    } finally {
      await replica.thaw()
    }
  })
})

describe('top', () => {
  it('prints a line for each server where the output is no terminal', async () => {
    const argv = ['top', url, '--count', '2', '--interval', '50ms']
    const { exitCode, stdout } = await cli.run(argv)
    expect(exitCode).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[3]).toMatch(/ replica behind=\d+ answer=[\d.]+ms tx\/s=[\d.]+ clients=\d+/)
    expect(stdout).not.toContain('\u001b')
  })

  it('prints one document with --json', async () => {
    const { exitCode, stdout } = await cli.run(['top', url, '--json', '--interval', '50ms'])
    expect(exitCode).toBe(0)
    const { servers } = JSON.parse(stdout) as Document
    expect(servers).toMatchObject([
      { role: 'primary', transactionsPerSecond: expect.any(Number), activity: { clients: 0 } },
      { role: 'replica', behindBytes: expect.any(Number) },
    ])
  })

  it('ends with exit code 0 by Ctrl-C', async () => {
    const running = cli.start(['top', url, '--interval', '50ms'])
    await until(() => running.stdout().includes('primary'), 'the first look')
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('leaves a terminal as it was', async () => {
    const script = `script -qec "$POOLHOUSE top ${url} --interval 50ms --count 3" /dev/null`
    const { exitCode, stdout } = await cli.shell(script, { env: { TERM: 'xterm' } }).ended
    expect(exitCode).toBe(0)
    expect(stdout.startsWith('\u001b[?1049h\u001b[?25l')).toBe(true)
    expect(stdout).toContain('poolhouse top')
    expect(stdout.trimEnd().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
  })

  it('is quiet when its reader has gone', async () => {
    const script = `$POOLHOUSE top ${url} --interval 20ms | head -n 1`
    const { exitCode, stdout, stderr } = await cli.shell(script).ended
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  })
})
