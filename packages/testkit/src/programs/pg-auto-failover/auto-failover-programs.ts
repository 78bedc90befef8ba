import { delimiter, join } from 'node:path'
import { libraryPath } from '../debian/debian-package.js'
import { debianTree } from '../debian/debian-tree.js'
import { POSTGRES_15, postgres15Bin } from '../debian/postgres-15.js'

/** Everything that pg_auto_failover is run with. */
export interface AutoFailoverPrograms {
  /** Folder with `postgres`, `initdb`, `pg_ctl`, `pg_rewind`, `pg_basebackup`. */
  readonly postgresBin: string
  /** The program `pg_autoctl`. */
  readonly pgAutoctl: string
  /** Variables that it needs, for a process that runs in this folder. */
  env(home: string): Readonly<Record<string, string>>
}

/**
 * Fetches pg_auto_failover and PostgreSQL 15 of Debian 12. PostgreSQL is never the system's,
 * because the monitor's extension must lie beside it. Throws when a package cannot be had.
 */
export async function autoFailoverPrograms(): Promise<AutoFailoverPrograms> {
  const packages = [
    'pg-auto-failover-cli',
    'postgresql-15-auto-failover',
    'libncurses6',
    'libtinfo6',
  ]
  const root = await debianTree([...packages, ...POSTGRES_15])
  const postgresBin = postgres15Bin(root)
  const libraries = await libraryPath(root)
  return {
    postgresBin,
    pgAutoctl: join(root, 'usr/bin/pg_autoctl'),
    env: (home) => ({
      LD_LIBRARY_PATH: libraries,
      PATH: [postgresBin, join(root, 'usr/bin'), '/usr/bin', '/bin'].join(delimiter),
      // Its configuration and state lie below the home directory.
      HOME: home,
      PGUSER: 'postgres',
      // Where PostgreSQL puts its Unix socket: Debian's own folder needs an installation.
      PG_REGRESS_SOCK_DIR: home,
    }),
  }
}
