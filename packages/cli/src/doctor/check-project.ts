import { readFileSync, statSync } from 'node:fs'
import { messageOf } from '@poolhouse/core/kit'
import { findDriver } from '../target/find-driver.js'
import type { Target } from '../target/target.js'
import { findCopies } from './find-copies.js'
import type { Report } from './finding.js'

const OLDEST_NODE = [20, 19] as const
const ONE_COPY = ['pg', 'postgres', '@poolhouse/core'] as const
const FOR_OTHERS = 0o004

/** Reports what is wrong with the runtime and with the packages of the project in this folder. */
export async function checkProject(cwd: string, report: Report): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    report(
      'error',
      'node-version',
      `Node.js ${process.versions.node} is older than ${OLDEST_NODE.join('.')}, which the packages need`,
      'install a newer Node.js',
    )
  }
  for (const [name, copies] of findCopies(cwd, ONE_COPY)) {
    if (copies.length < 2) continue
    const list = copies.map(({ version, path }) => `${version} in ${path}`).join(', ')
    report(
      'warning',
      'duplicates',
      `${copies.length} copies of ${name} are installed: ${list}`,
      `type parsers, defaults and classes of one do not count for the other: npm ls ${name} says who brings them; npm dedupe, or overrides in package.json, leaves one`,
    )
  }
  const { problem } = await findDriver(cwd)
  if (problem !== undefined) {
    report('error', 'version', `the project's pg cannot be used: ${problem}`, 'npm install pg@8')
  }
}

/**
 * Reports a configuration file that holds a password and may be read by every user of the machine.
 */
export function checkFile({ file, secrets }: Target, report: Report): void {
  if (file === undefined || process.platform === 'win32') return
  try {
    if ((statSync(file).mode & FOR_OTHERS) === 0) return
    const text = readFileSync(file, 'utf8')
    const held = [...secrets].some((secret) =>
      [secret, encodeURIComponent(secret)].some((form) =>
        quoted(form).some((part) => text.includes(part)),
      ),
    )
    if (!held) return
    report(
      'note',
      'file-mode',
      `${file} holds a password and may be read by every user of this machine`,
      `chmod o-r ${file}, or give the password by the environment or a function`,
    )
  } catch (error) {
    report(
      'note',
      'file-mode',
      `${file} cannot be looked at: ${messageOf(error)}`,
      'look at its rights',
    )
  }
}

/** The forms in which a file may hold a password: in a URL, or as a text. */
function quoted(secret: string): readonly string[] {
  return [`:${secret}@`, `=${secret}`, `'${secret}'`, `"${secret}"`, `\`${secret}\``]
}
