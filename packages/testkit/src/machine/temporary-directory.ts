import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unwatchDirectory, watchDirectory } from './reaper.js'
import type { ServerUser } from './server-user.js'

/**
 * Room left for `/a/.s.PGSQL.65535` below the directory: a socket path ends at 104 bytes (macOS).
 */
const LONGEST_PATH_BYTES = 80
/** So many that no two processes ever choose the same name. */
const NAME_BYTES = 8

/**
 * Creates a temporary directory that the server's user owns and that is removed when this process
 * ends. It lies in `os.tmpdir()`, or in `/tmp` where that is out of the server user's reach or too
 * long for the path of a Unix socket. Throws when neither will do.
 */
export async function createTemporaryDirectory(user: ServerUser | undefined): Promise<string> {
  for (const base of new Set([tmpdir(), '/tmp'])) {
    const parent = await realpath(base).catch(() => undefined)
    if (parent === undefined || !(await usable(parent, user))) continue
    const directory = join(parent, `poolhouse-${randomBytes(NAME_BYTES).toString('hex')}`)
    // Before it is there: we may be killed at any moment.
    watchDirectory(directory)
    try {
      await mkdir(directory, { mode: 0o700 })
    } catch (error) {
      unwatchDirectory(directory)
      throw error
    }
    if (user) {
      await chmod(directory, 0o755)
      await giveTo(directory, user)
    }
    return directory
  }
  throw new Error(
    `no usable temporary directory: ${tmpdir()} and /tmp are missing, too long for a socket path, or not open to the server's user; set TMPDIR`,
  )
}

/** Removes a directory made by `createTemporaryDirectory`, whatever is in it. */
export async function removeTemporaryDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  unwatchDirectory(directory)
}

/** Makes the server's user the owner of a path. */
export async function giveTo(path: string, user: ServerUser | undefined): Promise<void> {
  if (user) await chown(path, user.uid >>> 0, user.gid >>> 0)
}

/** Writes a file that only the server's user can read: PostgreSQL refuses any other key. */
export async function writeFileFor(
  user: ServerUser | undefined,
  path: string,
  text: string,
): Promise<void> {
  await writeFile(path, text)
  await chmod(path, 0o600)
  await giveTo(path, user)
}

async function usable(directory: string, user: ServerUser | undefined): Promise<boolean> {
  const path = join(directory, `poolhouse-${'X'.repeat(2 * NAME_BYTES)}`)
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) return false
  return user === undefined || isOpenToOthers(directory)
}

/** Whether a user who owns nothing on the way can still reach the directory. */
async function isOpenToOthers(directory: string): Promise<boolean> {
  const { mode } = await stat(directory)
  if ((mode & 0o001) === 0) return false
  const parent = dirname(directory)
  return parent === directory || isOpenToOthers(parent)
}
