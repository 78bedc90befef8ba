import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../../src/machine/run-command.js'
import { findServerUser } from '../../src/machine/server-user.js'
import { cachedArchive } from '../../src/programs/debian/archive-cache.js'
import { debianPackage } from '../../src/programs/debian/debian-package.js'

const ARCHIVE = 'poolhouse-sample.deb'

let home: string
const cwd = process.cwd()

/** A mirror of one package, of which apt has no lists yet, and a project to work in. */
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'debian-'))
  await chmod(home, 0o755)
  await buildMirror()
  await mkdir(join(home, 'project/node_modules'), { recursive: true })
  process.chdir(join(home, 'project'))
  process.env['APT_CONFIG'] = join(home, 'apt.conf')
})
afterAll(async () => {
  process.chdir(cwd)
  delete process.env['APT_CONFIG']
  await rm(home, { recursive: true, force: true })
})

async function run(file: string, ...args: string[]): Promise<string> {
  return await runCommand(file, args, { cwd: home, user: undefined })
}

async function buildMirror(): Promise<void> {
  const mirror = join(home, 'mirror')
  await mkdir(join(home, 'tree/usr/bin'), { recursive: true })
  await mkdir(join(home, 'tree/DEBIAN'))
  await mkdir(mirror)
  const fields = [
    'Package: poolhouse-sample',
    'Version: 1',
    'Architecture: all',
    'Maintainer: kit <kit@localhost>',
    'Description: a program that says hello',
    '',
  ]
  const control = fields.join('\n')
  await writeFile(join(home, 'tree/DEBIAN/control'), control)
  const program = join(home, 'tree/usr/bin/poolhouse-sample')
  await writeFile(program, '#!/bin/sh\necho hello from $(id -u)\n', { mode: 0o700 })
  await run('dpkg-deb', '--root-owner-group', '--build', 'tree', join(mirror, ARCHIVE))
  const archive = await readFile(join(mirror, ARCHIVE))
  const sha = createHash('sha256').update(archive).digest('hex')
  const entry = `${control}Filename: ./${ARCHIVE}\nSize: ${archive.length}\nSHA256: ${sha}\n`
  await writeFile(join(mirror, 'Packages'), entry)
  await writeFile(join(home, 'sources.list'), `deb [trusted=yes] file:${mirror} ./\n`)
  await writeFile(
    join(home, 'apt.conf'),
    [
      `Dir::Etc::sourcelist "${join(home, 'sources.list')}";`,
      'Dir::Etc::sourceparts "-";',
      `Dir::State::Lists "${join(home, 'no-lists')}";`,
      `Dir::Cache "${join(home, 'no-cache')}";`,
      '',
    ].join('\n'),
  )
}

describe('a Debian package', () => {
  it('is fetched without package lists and without privileges, unpacked, and can be run by the user of servers', async () => {
    const { binary, env } = await debianPackage('poolhouse-sample', {
      binary: 'usr/bin/poolhouse-sample',
    })
    expect(env).toEqual({})
    const user = findServerUser()
    const output = await runCommand(binary, [], { cwd: '/', user, env })
    expect(output).toBe(`hello from ${user?.uid ?? process.getuid!()}\n`)
    expect(existsSync('/usr/bin/poolhouse-sample')).toBe(false)
  })

  it('is used from the system if it is installed there', async () => {
    const { binary, env } = await debianPackage('coreutils', { binary: 'usr/bin/env' })
    expect({ binary, env }).toEqual({ binary: '/usr/bin/env', env: {} })
  })

  it('that no mirror has gives an error with the reason and the ways out', async () => {
    const missing = debianPackage('poolhouse-missing', { binary: 'usr/bin/poolhouse-missing' })
    await expect(missing).rejects.toThrow(
      /cannot get the program poolhouse-missing of the Debian package poolhouse-missing: .*Unable to locate package poolhouse-missing/s,
    )
    await expect(missing).rejects.toThrow(
      /either let apt-get reach its mirror .*, or install poolhouse-missing so that poolhouse-missing is in PATH/,
    )
  })

  it('is kept in the node_modules of the project, and not fetched again', async () => {
    const first = await cachedArchive('poolhouse-sample')
    const cache = join(home, 'project/node_modules/.cache/poolhouse-testkit/')
    expect(first.startsWith(cache)).toBe(true)
    await rm(join(home, 'mirror'), { recursive: true })
    expect(await cachedArchive('poolhouse-sample')).toBe(first)
  })
})
