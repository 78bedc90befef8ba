import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, it, onTestFinished } from 'vitest'

const PROGRAM = `
import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'

const connection = 'postgres://app@localhost/app'
const pool = createPool({ driver: nodePostgres(), connection })
createPgPool(pool)
console.log(pool.name !== '' && postgresJs().name)
void pool.close()
`

it('the drivers work in one file of CommonJS, which has no import.meta.url', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-bundled-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const outfile = join(folder, 'app.cjs')
  await build({
    stdin: { contents: PROGRAM, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    conditions: ['@poolhouse/source'],
    external: ['pg-native'],
    logLevel: 'error',
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [outfile])
  expect({ stdout, stderr }).toEqual({ stdout: 'postgres.js\n', stderr: '' })
})
