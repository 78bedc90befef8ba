import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@poolhouse/manager'
import { describe, expect, it } from 'vitest'
import { run, temporaryFolder } from './support/fake-io.js'

async function route(...argv: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout } = await run(['explain-route', '--json', ...argv])
  expect(exitCode).toBe(0)
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('explain-route', () => {
  it.each([
    ['select * from orders where id = 1', 'replica', 'text'],
    ['insert into orders values (1)', 'primary', 'text'],
    ['select * from orders for update', 'primary', 'text'],
    ["select nextval('ids')", 'primary', 'text'],
    ['select my_function(1)', 'primary', 'text'],
    ['/* poolhouse: read */ select my_function(1)', 'replica', 'hint'],
    ['/* poolhouse: write */ select 1', 'primary', 'hint'],
  ])('says where %j goes', async (sql, target, decidedBy) => {
    const found = await route(sql)
    expect(found).toMatchObject({ ok: true, command: 'explain-route', target, decidedBy })
    expect(found['reason']).not.toBe('')
    expect(found['reason']).not.toContain('Infinity')
  })

  it('names the word that decided', async () => {
    const { stdout } = await run(['explain-route', 'select 1; delete from orders'])
    expect(stdout).toMatch(/^primary {2}/)
    expect(await route('select a from b for update')).toMatchObject({ token: { text: 'update' } })
  })

  it('follows the way of classification and the intent of the call', async () => {
    const call = 'select my_function(1)'
    expect(await route(call, '--classify', 'optimistic')).toMatchObject({ target: 'replica' })
    expect(await route('select 1', '--classify', 'off')).toMatchObject({ target: 'primary' })
    expect(await route(call, '--intent', 'read')).toMatchObject({ target: 'replica' })
    expect(await route('select 1', '--intent', 'write')).toMatchObject({ target: 'primary' })
  })

  it('ends with exit code 2 for a hint that means nothing', async () => {
    const { exitCode, stderr } = await run(['explain-route', '/* poolhouse: raed */ select 1'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('did you mean "read"?')
  })
})

describe('init', () => {
  it('writes a file that loadConfig reads, with its schema beside it', async () => {
    const cwd = temporaryFolder()
    const url = 'postgres://app@a,b/app'
    expect(await run(['init', url], { cwd })).toMatchObject({ exitCode: 0 })
    expect(readdirSync(cwd).sort()).toEqual(['poolhouse.config.json', 'poolhouse.schema.json'])
    const { databases, budget } = await loadConfig({ directory: cwd, env: false })
    expect(databases['app']).toEqual({ nodes: url, pool: { max: 10 } })
    expect(budget).toEqual({ perServer: 'auto', instances: 1 })
  })

  it.each(['mjs', 'ts'])('writes a .%s file', async (format) => {
    const cwd = temporaryFolder()
    const url = 'postgres://app@a/app'
    expect(await run(['init', url, '--format', format], { cwd })).toMatchObject({ exitCode: 0 })
    expect(readdirSync(cwd)).toEqual([`poolhouse.config.${format}`])
    const { databases } = await loadConfig({ directory: cwd, env: false })
    expect(databases['app']).toEqual({ primary: url, pool: { max: 10 } })
  })

  it('X06: leaves the address of a URL with a password to the environment', async () => {
    const cwd = temporaryFolder()
    const url = 'postgres://app:hunter22@a/app'
    const { stdout } = await run(['init', url], { cwd })
    expect(stdout).toContain('DATABASE_URL')
    const file = readFileSync(join(cwd, 'poolhouse.config.json'), 'utf8')
    expect(file).not.toMatch(/hunter|postgres:/)
    const env = { DATABASE_URL: url }
    const { databases } = await loadConfig({ directory: cwd, env })
    expect(databases['app']).toMatchObject({ primary: url, pool: { max: 10 } })
  })

  it('never replaces a file unless it is told to', async () => {
    const cwd = temporaryFolder()
    const file = join(cwd, 'poolhouse.config.json')
    writeFileSync(file, 'mine')
    const refused = await run(['init'], { cwd })
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('--force')
    expect(readFileSync(file, 'utf8')).toBe('mine')
    const other = await run(['init', '--format', 'mjs', '--force'], { cwd })
    expect(other.exitCode).toBe(2)
    expect(other.stderr).toContain('one configuration file is enough')
    expect(await run(['init', '--force'], { cwd })).toMatchObject({ exitCode: 0 })
    expect(readFileSync(file, 'utf8')).toContain('postgres://app@localhost:5432/app')
  })
})

describe('schema', () => {
  it('prints the JSON Schema of the configuration, with and without --json', async () => {
    const plain = await run(['schema'])
    const json = await run(['schema', '--json'])
    expect(JSON.parse(plain.stdout)).toMatchObject({ title: 'poolhouse.config', type: 'object' })
    expect(json.stdout).toBe(plain.stdout)
  })
})
