import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A text file that is under version control. */
export interface TrackedFile {
  /** From the root of the repository, with slashes. */
  readonly path: string
  readonly text: string
}

const BINARY = /\.(?:png|ico|gz|woff2?)$/

/** Every tracked text file of the repository in `root` that exists. */
export function readTrackedFiles(root: string): TrackedFile[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], {
    cwd: root,
    encoding: 'utf8',
  })
  const gone = new Set(deleted.split('\0'))
  return listed
    .split('\0')
    .filter((path) => path !== '' && !gone.has(path) && !BINARY.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}
