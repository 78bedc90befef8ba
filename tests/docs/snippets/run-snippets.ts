import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Cluster } from '@poolhouse/testkit'
import { completeSnippet } from './complete-snippet.js'
import { ROOT, type Snippet } from './read-snippets.js'

/** Among the tests, whose packages the blocks may import; ignored by Git. */
const FOLDER = new URL('tests/node_modules/.cache/snippets/', ROOT)
const RUNNER = fileURLToPath(new URL('tests/docs/snippets/run-child.ts', ROOT))

/**
 * Runs every block on the servers of a cluster, one after the other in one process, and returns
 * what failed, each with its page and line. Addresses in the code lead to the cluster: host `b` to
 * its second server, `c` to its third, every other one to its first; `e` and `f` as `b` and `c`.
 */
export async function runSnippets(
  snippets: readonly Snippet[],
  cluster: Cluster,
): Promise<string[]> {
  await rm(FOLDER, { recursive: true, force: true })
  await mkdir(FOLDER, { recursive: true })
  const blocks: { file: string; where: string }[] = []
  for (const [index, snippet] of snippets.entries()) {
    const { page, lines } = snippet
    const file = new URL(`block-${index}.${snippet.language === 'ts' ? 'mts' : 'mjs'}`, FOLDER)
    const code = lines.map(({ text }) => toCluster(text, cluster)).join('\n')
    const { before, after } = completeSnippet(snippet)
    await writeFile(file, `${before}\n${code}\n${after}\n`)
    blocks.push({ file: file.href, where: `${page}:${lines[0]?.number ?? 0}` })
  }
  await writeFile(new URL('orders.csv', FOLDER), '9,tea,7,3,2026,\n')
  const list = new URL('blocks.json', FOLDER)
  await writeFile(list, JSON.stringify(blocks))
  const urls = [cluster.primary, ...cluster.replicas].map(({ url }) => url)
  const args = ['--conditions=@poolhouse/source', '--import', 'tsx', RUNNER, fileURLToPath(list)]
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(FOLDER),
    env: {
      ...process.env,
      DATABASE_URL: urls[0],
      SNIPPET_SERVERS: urls.join(' '),
      SNIPPET_PASSWORD: cluster.password,
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const failed: string[] = []
  let ended = 0
  child.on('message', ({ where, error }: { where: string; error?: string }) => {
    ended += 1
    if (error !== undefined) failed.push(`${where}: ${error}`)
  })
  let said = ''
  child.stderr!.on('data', (piece: Buffer) => {
    said = (said + piece.toString()).slice(-2_000)
  })
  await once(child, 'exit')
  if (ended < blocks.length) failed.push(`${blocks[ended]!.where}: the process ended. ${said}`)
  return failed
}

/** Puts servers of the cluster in the place of the hosts of a line. */
function toCluster(line: string, cluster: Cluster): string {
  const { primary, replicas, user, password = '', database } = cluster
  const nodeOf = (host: string) =>
    ['b', 'e'].includes(host) ? replicas[0]! : ['c', 'f'].includes(host) ? replicas[1]! : primary
  return line
    .replaceAll(/postgres(?:ql)?:\/\/([^'"`\s?]+)(\?[^'"`\s]*)?/g, (_all, rest: string) => {
      const hosts = rest.slice(rest.lastIndexOf('@') + 1).replace(/\/.*$/, '')
      const there = hosts.split(',').map((host) => nodeOf(host.replace(/:\d+$/, '')))
      const list = there.map(({ host, port }) => `${host}:${port}`).join(',')
      return `postgres://${user}:${encodeURIComponent(password)}@${list}/${database}`
    })
    .replaceAll(/\bhost: '([\w.-]+)'/g, (_all, host: string) => {
      const node = nodeOf(host)
      return `host: '${node.host}', port: ${node.port}`
    })
    .replaceAll("password: 'secret'", `password: ${JSON.stringify(password)}`)
    .replaceAll("database: 'shop'", `database: '${database}'`)
    .replaceAll(/(\blisten\(|port: )3000\b/g, '$10')
}
