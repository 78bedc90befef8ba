import { readFileSync, statSync } from 'node:fs'

/** Whom a line of a password file must fit. */
export interface PasswordKey {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

// Where libpq looks for a socket if no host is given: its lines are those of localhost.
const SOCKET_FOLDERS: ReadonlySet<string> = new Set(['/tmp', '/var/run/postgresql'])
const FOR_OTHERS = 0o077

/**
 * The password that a file in the form of `.pgpass` has for a connection (`passwordFromFile` of
 * fe-connect.c): the first line `host:port:database:user:password` that fits, where `*` fits
 * everything and a backslash comes before a ":" or a backslash; undefined if none fits. Calls
 * `fail` if the file is not there, is no file, or may be read by its group or others, which libpq
 * only warns about before it goes on without a password.
 */
export function passwordFromFile(
  file: string,
  { host, port, database, user }: PasswordKey,
  fail: (what: string) => never,
): string | undefined {
  const name = SOCKET_FOLDERS.has(host) ? 'localhost' : host
  const wanted = [name, String(port), database, user]
  for (const line of read(file, fail).split('\n')) {
    if (line.startsWith('#')) continue
    const fields = fieldsOf(line.endsWith('\r') ? line.slice(0, -1) : line)
    const password = fields[wanted.length]
    if (password === undefined || password.text === '') continue
    const fits = wanted.every((text, index) => fields[index]!.any || fields[index]!.text === text)
    if (fits) return password.text
  }
  return undefined
}

function read(file: string, fail: (what: string) => never): string {
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return fail('is not a file')
    if (process.platform !== 'win32' && (stat.mode & FOR_OTHERS) !== 0) {
      return fail('may be read by its group or by others; take that away with chmod 0600')
    }
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return fail(`cannot be read (${code})`)
  }
}

/** Fields between colons. One that is a bare `*` fits anything; an escaped one is only itself. */
function fieldsOf(line: string): { text: string; any: boolean }[] {
  const fields: { text: string; any: boolean }[] = []
  let text = ''
  let began = 0
  for (let at = 0; at <= line.length; at++) {
    const character = line[at]
    if (character === undefined || character === ':') {
      fields.push({ text, any: line.slice(began, at) === '*' })
      text = ''
      began = at + 1
    } else if (character === '\\' && at + 1 < line.length) text += line[++at]
    else text += character
  }
  return fields
}
