import { readFileSync } from 'node:fs'

/** The operating system user that PostgreSQL and its tools run as, when it is not our own. */
export interface ServerUser {
  /** User id, as a signed 32-bit number (macOS gives `nobody` the id -2). */
  readonly uid: number
  /** Group id, signed like `uid`. */
  readonly gid: number
}

/** What Linux distributions give to `nobody`; used where /etc/passwd does not list it. */
const USUAL_NOBODY: ServerUser = { uid: 65_534, gid: 65_534 }

/**
 * Finds the user to run the server as: `undefined` means the user of this process. PostgreSQL
 * refuses to run as root, so root runs it as `nobody`; no user is ever created.
 */
export function findServerUser(
  currentUid: number | undefined = process.getuid?.(),
  passwd: () => string = () => readFileSync('/etc/passwd', 'utf8'),
): ServerUser | undefined {
  if (currentUid !== 0) return undefined
  let text: string
  try {
    text = passwd()
  } catch {
    return USUAL_NOBODY // minimal images have no /etc/passwd, and the kernel does not need one
  }
  for (const line of text.split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === 'nobody' && uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  return USUAL_NOBODY
}
