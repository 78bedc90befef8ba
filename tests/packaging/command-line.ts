import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exec } from './packed-project.js'

/**
 * Runs `npx poolhouse` as a stranger would, on the servers of a cluster, by a URL that lists them
 * and by the file that `init` writes. Returns what doctor saw; throws at the first command that
 * fails.
 */
export async function tryCommandLine(project: string, urls: readonly string[]): Promise<string> {
  const hosts = urls.map((url) => new URL(url).host).join(',')
  const url = urls[0]!.replace(new URL(urls[0]!).host, hosts)
  const folder = join(project, 'command-line')
  await mkdir(folder)
  const poolhouse = (...args: string[]): Promise<string> =>
    exec('npx', ['--no-install', 'poolhouse', ...args], folder)
  await poolhouse('init', url)
  const doctor = JSON.parse(await poolhouse('doctor', '--json')) as {
    readonly ok: boolean
    readonly servers: readonly { readonly role: string }[]
  }
  const roles = doctor.servers.map(({ role }) => role)
  const seen = (await poolhouse('top', url, '--count', '1')).trim().split('\n')
  if (!doctor.ok || roles.length !== urls.length || seen.length !== urls.length) {
    throw new Error(`doctor: ${JSON.stringify(doctor)}, top: ${seen.join('\n')}`)
  }
  return roles.join(', ')
}

/**
 * Loads every packed package in both module systems. Returns how many there are; throws for one
 * that exports nothing.
 */
export async function tryExports(project: string): Promise<number> {
  const manifest = await readFile(join(project, 'package.json'), 'utf8')
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> }
  const names = Object.keys(dependencies).filter((name) => name.startsWith('@poolhouse/'))
  const program = `;(async () => {
  for (const name of ${JSON.stringify(names)}) {
    for (const module of [await import(name), require(name)]) {
      if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing')
    }
  }
})()`
  await writeFile(join(project, 'exports.cjs'), program)
  await exec(process.execPath, ['exports.cjs'], project)
  return names.length
}
