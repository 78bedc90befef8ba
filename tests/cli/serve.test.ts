import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { type Running, testCli } from './cli-child.js'

const cli = testCli()
const page = testCli('sources')
let cluster: Cluster
let url: string

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
  url = `postgres://app@${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}/app`
})
afterAll(async () => {
  await cluster?.stop()
})

/** The address at which a command serves, as its document says. */
async function addressOf(running: Running): Promise<string> {
  await until(() => running.stdout().endsWith('}\n'), 'the address')
  const document = JSON.parse(running.stdout()) as { readonly ok: boolean; readonly url: string }
  expect(document.ok).toBe(true)
  return document.url
}

describe('metrics', () => {
  it('prints once what Prometheus would scrape', async () => {
    const { exitCode, stdout, stderr } = await cli.run(['metrics', url])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toMatch(/^poolhouse_node_state\{.*state="primary"\} 1$/m)
    expect(stdout).toMatch(/^db_client_operation_duration_seconds_count\{.*\} [1-9]/m)
  })

  it('ends with exit code 1 if a database is not ready, and prints them all the same', async () => {
    const argv = ['metrics', 'postgres://app@127.0.0.1:1/app', '--timeout', '300ms']
    const plain = await cli.run(argv)
    expect(plain.exitCode).toBe(1)
    expect(plain.stdout).toContain('# TYPE db_client_connection_count')
    expect(plain.stderr).toContain('ECONNREFUSED')
    const { exitCode, stdout } = await cli.run([...argv, '--json'])
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      command: 'metrics',
      metrics: expect.any(String),
    })
  })

  it('serves them on a port until Ctrl-C', async () => {
    const running = cli.start(['metrics', url, '--port', '0', '--json'])
    const answer = await fetch(await addressOf(running))
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('db_client_connection_count')
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' })
    // One document, although it went on.
    expect(() => JSON.parse(running.stdout())).not.toThrow()
  })
})

describe('dashboard', () => {
  it('serves a page on loopback until Ctrl-C', async () => {
    const running = page.start(['dashboard', url, '--json'])
    const answer = await fetch(await addressOf(running))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(await answer.text()).toContain('<html')
    running.process.kill('SIGINT')
    expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  it('demands a token beyond loopback, and shows it nowhere', async () => {
    const argv = ['dashboard', url, '--host', '0.0.0.0']
    const refused = await cli.run(argv)
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('POOLHOUSE_TOKEN')
    const running = page.start([...argv, '--json'], { env: { POOLHOUSE_TOKEN: 'quite-secret' } })
    const address = (await addressOf(running)).replace('0.0.0.0', '127.0.0.1')
    expect((await fetch(address)).status).toBeGreaterThanOrEqual(400)
    const authorization = 'Bearer quite-secret'
    expect((await fetch(address, { headers: { authorization } })).status).toBe(200)
    running.process.kill('SIGTERM')
    const { exitCode, stdout, stderr } = await running.ended
    expect(exitCode).toBe(0)
    expect(stdout + stderr).not.toContain('quite-secret')
  })

  it('ends with exit code 2 where its port is taken', async () => {
    const port = String(cluster.primary.port)
    const { exitCode, stderr } = await page.run(['dashboard', url, '--port', port])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('EADDRINUSE')
  })
})
