import { join } from 'node:path'

/** PostgreSQL 15, server and client, with the libraries that Debian 12 has it with. */
export const POSTGRES_15: readonly string[] = [
  'postgresql-15',
  'postgresql-client-15',
  'libicu72',
  'libldap-2.5-0',
  'liblz4-1',
  'libllvm14',
  'libpq5',
  'libsasl2-2',
  'libxml2',
  'libxslt1.1',
  'libzstd1',
]

/** Its programs in a tree of packages. */
export function postgres15Bin(root: string): string {
  return join(root, 'usr/lib/postgresql/15/bin')
}
