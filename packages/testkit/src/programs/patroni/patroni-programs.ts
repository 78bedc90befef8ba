import { join } from 'node:path'
import { isThere } from '../../machine/is-there.js'
import { libraryPath } from '../debian/debian-package.js'
import { debianTree } from '../debian/debian-tree.js'
import { POSTGRES_15, postgres15Bin } from '../debian/postgres-15.js'

/** Everything a Patroni cluster is run with. */
export interface PatroniPrograms {
  /** The Python that runs Patroni. */
  readonly python: string
  /** The script `patroni`. */
  readonly patroni: string
  /** The server of the distributed configuration store. */
  readonly etcd: string
  /** Folder with `postgres`, `initdb`, `pg_ctl`, `pg_rewind`, `pg_basebackup`. */
  readonly postgresBin: string
  /** Variables that Python and the others need. */
  readonly env: Readonly<Record<string, string>>
}

const PACKAGES = [
  'patroni',
  'etcd-server',
  'python3-cdiff',
  'python3-click',
  'python3-dateutil',
  'python3-dnspython',
  'python3-etcd',
  'python3-pkg-resources',
  'python3-prettytable',
  'python3-psutil',
  'python3-psycopg2',
  'python3-six',
  'python3-urllib3',
  'python3-wcwidth',
  'python3-yaml',
  'libpq5',
]

const PYTHON = ['libpython3.11-minimal', 'libpython3.11-stdlib', 'python3.11-minimal', 'python3.11']

/**
 * Finds or fetches Patroni, etcd and PostgreSQL 15 of Debian 12. Throws when a package cannot be
 * had.
 */
export async function patroniPrograms(): Promise<PatroniPrograms> {
  const systemPython = await isThere('/usr/bin/python3')
  const systemBin = postgres15Bin('/')
  const systemPostgres = await isThere(join(systemBin, 'pg_basebackup'))
  const root = await debianTree([
    ...PACKAGES,
    ...(systemPython ? [] : PYTHON),
    ...(systemPostgres ? [] : POSTGRES_15),
  ])
  return {
    python: systemPython ? '/usr/bin/python3' : join(root, 'usr/bin/python3.11'),
    patroni: join(root, 'usr/bin/patroni'),
    etcd: join(root, 'usr/bin/etcd'),
    postgresBin: systemPostgres ? systemBin : postgres15Bin(root),
    env: {
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUNBUFFERED: '1',
      LD_LIBRARY_PATH: await libraryPath(root),
      ...(!systemPython && { PYTHONHOME: join(root, 'usr') }),
    },
  }
}
