// Packs every package as npm would get it and prints the sizes: `pnpm run sizes`, after a build.
// Fails where a package is larger than its limit.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The largest tarball of core, in bytes. */
const LIMITS: Readonly<Record<string, number>> = { core: 300_000 }

const packages = fileURLToPath(new URL('../packages', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'poolhouse-sizes-'))
try {
  console.log('| package | packed, KB | unpacked, KB | files |\n| --- | ---: | ---: | ---: |')
  for (const name of readdirSync(packages)) {
    const args = ['-y', 'pnpm@12', 'pack', '--json', '--pack-destination', folder]
    const { stdout, stderr, status } = spawnSync('npx', args, {
      cwd: join(packages, name),
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`${name} cannot be packed: ${stderr}`)
    const { filename } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { filename: string }
    const packed = statSync(join(folder, filename.split('/').at(-1)!)).size
    const list = spawnSync('tar', ['-tvzf', join(folder, filename.split('/').at(-1)!)], {
      encoding: 'utf8',
    })
    const sizes = list.stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(/\s+/)[2]))
    const unpacked = sizes.reduce((sum, size) => sum + size, 0)
    const limit = LIMITS[name] ?? Number.POSITIVE_INFINITY
    if (packed > limit) process.exitCode = 1
    const over = packed > limit ? ` (limit ${kilobytes(limit)})` : ''
    console.log(
      `| ${name} | ${kilobytes(packed)}${over} | ${kilobytes(unpacked)} | ${sizes.length} |`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function kilobytes(bytes: number): string {
  return Math.round(bytes / 1_000).toLocaleString('en')
}
