import type { ParameterReader } from './parameter-reader.js'
import { readHosts, type UrlHost } from './read-hosts.js'
import { readPoolParameters, type UrlPoolSettings } from './read-pool-parameters.js'
import { readSslParameters, type UrlSsl } from './read-ssl.js'
import { splitOptions } from './split-options.js'

/** How the log-in is bound to the TLS session, as libpq's `channel_binding`. */
export type ChannelBinding = 'disable' | 'prefer' | 'require'

/** The values of `channelBinding`. */
export const CHANNEL_BINDINGS: readonly ChannelBinding[] = ['disable', 'prefer', 'require']

/** Which servers a URL means, as libpq's `target_session_attrs`. */
export type TargetSessionAttrs = (typeof TARGETS)[number]

const TARGETS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const

/** A connection URL taken apart. Nothing is defaulted here but what the URL itself says. */
export interface ParsedConnectionUrl {
  /** The hosts in order; more than one for libpq multi-host URLs. Empty if the URL names none. */
  readonly hosts: readonly UrlHost[]
  /** User. */
  readonly user: string | undefined
  /** Password. */
  readonly password: string | undefined
  /** `passfile`, a file name. */
  readonly passwordFile?: string | undefined
  /** Database. */
  readonly database: string | undefined
  /** `application_name`, or else `fallback_application_name`. */
  readonly applicationName: string | undefined
  /** `target_session_attrs`. */
  readonly targetSessionAttrs: TargetSessionAttrs | undefined
  /** `channel_binding`. */
  readonly channelBinding?: ChannelBinding | undefined
  /** `sslmode` and the files beside it, if `sslmode` or any of them is given. */
  readonly ssl: UrlSsl | undefined
  /**
   * Run-time parameters: `options=-c name=value`, and those that have a parameter of their own,
   * such as `schema`.
   */
  readonly parameters: Readonly<Record<string, string>>
  /** Words of `options` for a vendor's proxy. */
  readonly routing?: string | undefined
  /** What the URL says about the pool. */
  readonly pool?: UrlPoolSettings | undefined
}

// Run-time parameters that node-postgres takes from a URL.
const TIMEOUTS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']

/** Gives the parameters their meaning. Throws by the reader's `fail`. */
export function readParameters(parameters: ParameterReader): ParsedConnectionUrl {
  const pool = readPoolParameters(parameters)
  return {
    hosts: readHosts(parameters),
    user: parameters.get('user'),
    password: parameters.get('password'),
    passwordFile: parameters.get('passfile'),
    database: parameters.get('dbname'),
    applicationName:
      parameters.get('application_name') ?? parameters.get('fallback_application_name'),
    targetSessionAttrs: readWord(parameters, 'target_session_attrs', TARGETS),
    channelBinding: readWord(parameters, 'channel_binding', CHANNEL_BINDINGS),
    ssl: readSslParameters(parameters),
    ...readRunTime(parameters),
    pool: Object.keys(pool).length === 0 ? undefined : pool,
  }
}

function readWord<Word extends string>(
  parameters: ParameterReader,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = parameters.get(name) as Word | undefined
  // Not repeated: behind an unescaped "?" in the password, it may be a part of it.
  if (value === undefined || words.includes(value)) return value
  return parameters.fail(`${parameters.said(name)} must be one of ${words.join(', ')}`)
}

function readRunTime(
  parameters: ParameterReader,
): Pick<ParsedConnectionUrl, 'parameters' | 'routing'> {
  const { parameters: result, routing } = splitOptions(parameters.get('options') ?? '', () =>
    parameters.fail(
      `${parameters.said('options')} must have the form -c name=value, or endpoint=…, project=…, reference=… for a vendor's proxy`,
    ),
  )
  const set = (name: string, value: string, said: string): void => {
    if (Object.hasOwn(result, name)) {
      parameters.fail(`${said} and ${parameters.said('options')} both set ${name}; keep one`)
    }
    result[name] = value
  }
  for (const name of TIMEOUTS) {
    const value = parameters.get(name)
    if (value === undefined) continue
    set(name, String(parameters.integer(name, value, 0, 0x7fffffff)), parameters.said(name))
  }
  const schema = parameters.get('schema')
  // The default path finds what is in public.
  if (schema !== undefined && schema !== 'public') {
    set('search_path', `"${schema.replaceAll('"', '""')}"`, parameters.said('schema'))
  }
  return { parameters: result, routing }
}
