import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Where a service file is, if none is named: that of the user, then that of the system, if its
 * folder is known.
 */
export function defaultServiceFile(systemFolder: string | undefined): string {
  const own = join(homedir(), '.pg_service.conf')
  if (systemFolder === undefined || existsSync(own)) return own
  return join(systemFolder, 'pg_service.conf')
}

/**
 * Reads one section of a service file in the form of libpq (`parseServiceFile` of fe-connect.c):
 * `[name]`, then `keyword=value` lines without blanks around the "=". The first of two equal
 * keywords counts. Calls `fail` with what is wrong; never repeats a line.
 */
export function readService(
  file: string,
  service: string,
  fail: (what: string) => never,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  let inside = false
  for (const [index, raw] of readLines(file, fail).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('[')) {
      if (inside) return found
      inside = line.startsWith(`[${service}]`)
      continue
    }
    if (!inside) continue
    const bad = (what: string): never => fail(`line ${index + 1} of the service file ${what}`)
    if (line.startsWith('ldap')) return bad('looks a service up by LDAP, which is not supported')
    const equals = line.indexOf('=')
    if (equals < 1) return bad('is not keyword=value')
    const keyword = line.slice(0, equals)
    if (keyword === 'service' || keyword === 'servicefile') return bad('names another service')
    if (!found.has(keyword)) found.set(keyword, line.slice(equals + 1))
  }
  return inside ? found : fail('the service file has no section of that name')
}

function readLines(file: string, fail: (what: string) => never): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    return fail(`the service file cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}
