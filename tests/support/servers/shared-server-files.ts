import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Once for all test files: their clusters begin as copies of one data directory. In a process of
 * its own, because what vitest runs here sees the packages as built and not as sources. It ends
 * with its input, however this process ends.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const script = fileURLToPath(new URL('share-server-files.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--conditions=@poolhouse/source', '--import', 'tsx', script],
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  )
  const exited = once(child, 'exit')
  let output = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    output += chunk
    if (output.endsWith('\n')) break
  }
  if (output === '') throw new Error('the shared files of the test clusters could not be made')
  Object.assign(process.env, JSON.parse(output))
  return async () => {
    child.stdin.end()
    await exited
  }
}
