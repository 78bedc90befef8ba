import { runCommand } from '../../machine/run-command.js'
import { createTemporaryDirectory } from '../../machine/temporary-directory.js'

/** For every call: a dead mirror must not hang a test, and a lost packet must not fail it. */
const PATIENCE = ['-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=3', '-qq']

const RELATIONS_LEFT_OUT = [
  'recommends',
  'suggests',
  'conflicts',
  'breaks',
  'replaces',
  'enhances',
].map((relation) => `--no-${relation}`)

/** Options that make apt work on package lists of our own; fetched at most once by a process. */
let ownLists: Promise<string[]> | undefined

/**
 * Downloads the archive of one package into a folder; rejects with what apt-get said. Needs no
 * privileges.
 */
export async function downloadArchive(name: string, folder: string): Promise<void> {
  await onAnyLists((lists) =>
    runCommand('apt-get', [...PATIENCE, ...sandbox(), ...lists, 'download', name], {
      cwd: folder,
      user: undefined,
    }),
  )
}

/**
 * The packages that a package needs, without theirs and without alternatives that are only virtual.
 */
export async function dependenciesOf(name: string): Promise<string[]> {
  const output = await onAnyLists((lists) =>
    runCommand('apt-cache', [...lists, 'depends', ...RELATIONS_LEFT_OUT, name], {
      cwd: '/',
      user: undefined,
    }),
  )
  return [...output.matchAll(/^ [ |](?:Pre)?Depends: ([\w.+-]+)$/gm)].map(([, found]) => found!)
}

/** Tries the system's package lists first; where they are missing or too old, lists of our own. */
async function onAnyLists<R>(work: (options: readonly string[]) => Promise<R>): Promise<R> {
  try {
    return await work([])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
  }
  ownLists ??= fetchLists()
  ownLists.catch(() => {
    ownLists = undefined
  })
  return await work(await ownLists)
}

/**
 * `apt-get update` into a temporary directory: an ordinary user may do that, and the system's lists
 * stay as they are.
 */
async function fetchLists(): Promise<string[]> {
  const folder = await createTemporaryDirectory(undefined)
  await runCommand('mkdir', ['-p', 'lists/partial', 'cache/archives/partial'], {
    cwd: folder,
    user: undefined,
  })
  const options = ['-o', `Dir::State::Lists=${folder}/lists`, '-o', `Dir::Cache=${folder}/cache`]
  await runCommand('apt-get', [...PATIENCE, ...sandbox(), ...options, 'update'], {
    cwd: folder,
    user: undefined,
  })
  return options
}

/** Root's apt downloads as the user `_apt`, who cannot write into our folders. */
function sandbox(): string[] {
  return process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : []
}
