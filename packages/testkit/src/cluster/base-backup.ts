import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tryCommand } from '../machine/run-command.js'
import { giveTo } from '../machine/temporary-directory.js'
import { type AdminTarget, withAdminSession } from './admin-session.js'
import { wipeDataDirectory } from './data-directory.js'
import type { ServerPlace } from './server-process.js'

/** A running server to copy. */
export type BackupSource = AdminTarget & ServerPlace

/** Directories that a copy needs, but empty: the server fills them when it starts. */
const EMPTY_DIRECTORIES: ReadonlySet<string> = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_wal',
])

/** Files that belong to the source alone. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'backup_label',
  'backup_manifest',
  'current_logfiles',
  'postmaster.opts',
  'postmaster.pid',
  'recovery.signal',
  'standby.signal',
  'tablespace_map',
])

const ATTEMPTS = 3

/**
 * Replaces the data of a stopped server with a copy of a running one, as `pg_basebackup` does
 * (which the npm binaries lack): `pg_backup_start`, copy, `pg_backup_stop` in one session. The WAL
 * is not copied; the new standby streams it from where the backup began.
 */
export async function cloneDataDirectory(source: BackupSource, to: ServerPlace): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await wipeDataDirectory(to)
    // The functions had other names, and one more way to work, before version 15.
    const [start, stop] =
      source.binaries.version >= 15
        ? ["pg_backup_start('poolhouse', true)", 'pg_backup_stop(false)']
        : ["pg_start_backup('poolhouse', true, false)", 'pg_stop_backup(false, false)']
    const label = await withAdminSession(source, async (session) => {
      await session.query(`select ${start}`)
      const problem = await copyFiles(source, to)
      // The label is only valid for a backup that was stopped in the session that started it.
      const rows = await session.query<{ labelfile: string }>(`select labelfile from ${stop}`)
      if (problem === undefined) return rows[0]!.labelfile
      if (attempt === ATTEMPTS) throw new Error(`cannot copy node ${source.name}: ${problem}`)
      return undefined
    })
    if (label === undefined) continue
    const path = join(to.home, 'data', 'backup_label')
    await writeFile(path, label, { mode: 0o600 })
    await giveTo(path, to.user)
    return
  }
}

/** Copies the files of a running server; returns what went wrong, if it matters. */
async function copyFiles(source: ServerPlace, to: ServerPlace): Promise<string | undefined> {
  const [from, into] = [join(source.home, 'data'), join(to.home, 'data')]
  const entries = await readdir(from)
  const copied = entries.filter((name) => !EMPTY_DIRECTORIES.has(name) && !LEFT_OUT.has(name))
  for (const name of [...EMPTY_DIRECTORIES, 'pg_wal/archive_status', 'pg_wal/summaries']) {
    await mkdir(join(into, name), { mode: 0o700 })
    await giveTo(join(into, name), to.user)
  }
  const options = { cwd: to.home, user: to.user }
  const paths = copied.map((name) => join(from, name))
  const { code, stderr } = await tryCommand('cp', ['-RP', ...paths, into], options)
  // Once more and last, as pg_basebackup does: it must not be older than any page.
  const control = ['-P', join(from, 'global', 'pg_control'), join(into, 'global', 'pg_control')]
  const last = await tryCommand('cp', control, options)
  if (last.code !== 0) return last.stderr
  return code === 0 ? undefined : seriousProblem(stderr)
}

/**
 * A running server removes files under the copy's feet; recovery expects that. Any other complaint
 * of cp ("replaced while being copied") means a file that is missing for no good reason.
 */
function seriousProblem(stderr: string): string | undefined {
  const lines = stderr.split('\n').filter((line) => line !== '')
  const serious = lines.filter((line) => !line.includes('No such file or directory'))
  return serious.length === 0 ? undefined : serious.join('\n')
}
