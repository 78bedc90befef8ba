import { runCommand } from '../../machine/run-command.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory } from '../../machine/temporary-directory.js'
import { cachedArchive } from './archive-cache.js'

/** Unpacked by this process, by the names of the packages. */
const trees = new Map<string, Promise<string>>()

/**
 * A directory with the files of several Debian packages, as they would lie below `/`, without
 * installing them. For programs that are more than one binary: scripts with their modules, servers
 * with their share. The directory goes with this process.
 *
 * Throws, with what failed as `cause` and with the way out, when a package cannot be had.
 */
export function debianTree(names: readonly string[]): Promise<string> {
  const key = names.join()
  let tree = trees.get(key)
  if (tree === undefined) {
    tree = unpackAll(names)
    trees.set(key, tree)
    // A network that was away may be back at the next call.
    tree.catch(() => trees.delete(key))
  }
  return tree
}

async function unpackAll(names: readonly string[]): Promise<string> {
  const root = await createTemporaryDirectory(findServerUser())
  for (const name of names) {
    try {
      const archive = await cachedArchive(name)
      await runCommand('dpkg-deb', ['--extract', archive, root], { cwd: root, user: undefined })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.trim() : String(cause)
      throw new Error(
        `cannot get the Debian package ${name}: ${why}; let apt-get reach its mirror (see /etc/apt/sources.list)`,
        { cause },
      )
    }
  }
  // Archives carry the modes of `/`, and our umask may have closed what they do not say.
  await runCommand('chmod', ['-R', 'a+rX', root], { cwd: root, user: undefined })
  return root
}
