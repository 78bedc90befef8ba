import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describeText, isConnectionText, parseConnectionUrl } from '@poolhouse/core/kit'
import { configJsonSchema, loadConfig } from '@poolhouse/manager'
import { asUsage, type Outcome, UsageError } from '../outcome.js'
import type { CommandContext } from './command.js'

/** The kinds of file that `init` writes. */
export const FORMATS = ['json', 'mjs', 'ts'] as const

/** Options of `init`. */
export interface InitOptions {
  /** Address of the database. Default: the environment keeps it. */
  readonly url?: string | undefined
  /** Kind of the file. */
  readonly format: (typeof FORMATS)[number]
  /** Whether a file that is there is replaced. */
  readonly force?: boolean | undefined
}

const NAMES: readonly string[] = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json'].map(
  (ending) => `poolhouse.config.${ending}`,
)
const SCHEMA_FILE = 'poolhouse.schema.json'
const PLACEHOLDER = 'postgres://app@localhost:5432/app'

/**
 * Writes `poolhouse.config.json` (or `.mjs`, `.ts`) into the working directory, and for JSON the
 * schema for editors beside it. Never writes a password: the address of a URL that has one is left
 * to the environment.
 */
export async function init(
  { io: { cwd, env } }: CommandContext,
  { url, format, force = false }: InitOptions,
): Promise<Outcome> {
  const former = NAMES.find((name) => existsSync(resolve(cwd, name)))
  const name = `poolhouse.config.${format}`
  if (former !== undefined && (!force || former !== name)) {
    throw new UsageError(
      former === name
        ? `${former} is there already; --force replaces it`
        : `${former} is there already, and one configuration file is enough; remove it first`,
    )
  }
  const address = addressOf(url)
  const found = await loadConfig({ file: false, directory: cwd, env: { variables: env } })
  const inEnvironment = Object.keys(found.databases)
  const isLeftOut = address === undefined && (url !== undefined || inEnvironment.includes('app'))
  const app = {
    ...(isLeftOut ? {} : (address ?? { primary: PLACEHOLDER })),
    pool: { max: 10 },
  }
  const config = { databases: { app }, budget: { perServer: 'auto', instances: 1 } }
  const files = [name]
  if (format === 'json') {
    files.push(SCHEMA_FILE)
    writeFileSync(resolve(cwd, SCHEMA_FILE), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
  }
  writeFileSync(resolve(cwd, name), textOf(config, format))
  const next = isLeftOut
    ? inEnvironment.includes('app')
      ? 'the address of app stays in the environment'
      : 'the address has a password and was left out: set it as DATABASE_URL in the environment'
    : address === undefined
      ? `put the address of the database in place of ${PLACEHOLDER}`
      : undefined
  return {
    exitCode: 0,
    document: { files, ...(next !== undefined && { next }) },
    text: [
      `wrote ${files.join(' and ')}`,
      ...(next === undefined ? [] : [next]),
      '`poolhouse doctor` examines it',
    ].join('\n'),
  }
}

/** The part of a configuration that says where the database is; undefined if that is a secret. */
function addressOf(url: string | undefined): Readonly<Record<string, string>> | undefined {
  if (url === undefined) return undefined
  if (!isConnectionText(url)) {
    throw new UsageError(
      `the argument must be a URL such as postgres://user@host/database, got ${describeText(url)}`,
    )
  }
  const parsed = asUsage(() => parseConnectionUrl('the URL', url))
  // Also the passphrase of a key, which stands beside the word "pass".
  if (parsed.password !== undefined || /pass/i.test(url)) return undefined
  const { hosts, targetSessionAttrs = 'any' } = parsed
  return hosts.length > 1 || targetSessionAttrs !== 'any' ? { nodes: url } : { primary: url }
}

function textOf(config: object, format: InitOptions['format']): string {
  if (format === 'json') {
    return `${JSON.stringify({ $schema: `./${SCHEMA_FILE}`, ...config }, null, 2)}\n`
  }
  const value = JSON.stringify(config, null, 2)
    .replaceAll(/"(\w+)":/g, '$1:')
    .replaceAll('"', "'")
  return format === 'ts'
    ? `import type { FileConfig } from '@poolhouse/manager'\n\nexport default ${value} satisfies FileConfig\n`
    : `/** @type {import('@poolhouse/manager').FileConfig} */\nexport default ${value}\n`
}
