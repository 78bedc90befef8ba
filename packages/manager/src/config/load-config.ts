import { existsSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { ConfigError } from '@poolhouse/core'
import {
  describeText,
  describeValue,
  looksSecret,
  messageOf,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import type { BudgetOptions } from '../options/budget-options.js'
import type { DatabaseConfig, DatabaseOptions } from '../options/database-options.js'
import { meansCluster } from './address.js'
import { readEnvironment } from './environment.js'
import {
  type Environment,
  type EnvironmentOptions,
  readEnvironmentOptions,
} from './environment-options.js'
import { importDefault } from './import-default.js'
import { check, FILE } from './schema.js'
import { SMALLEST_FILE } from './smallest-config.js'

/**
 * The contents of a configuration file.
 *
 * @example
 * const file: FileConfig = {
 *   $schema: './poolhouse.schema.json',
 *   databases: { app: { nodes: 'postgres://app@a,b,c/app', pool: { max: 20 } } },
 *   budget: { perServer: 50 },
 * }
 */
export interface FileConfig {
  /** Path or URL of the JSON Schema, for editors. Default: none. */
  $schema?: string | undefined
  /** The databases, by name. Drivers are named by their key. Default: none. */
  databases?: Readonly<Record<string, string | DatabaseOptions>> | undefined
  /** The option `budget` of `createManager`. Default: that of `createManager`. */
  budget?: BudgetOptions | undefined
}

/**
 * Options of `loadConfig`.
 *
 * @example
 * const { databases, origins } = await loadConfig({
 *   file: 'config/databases.json',
 *   directory: import.meta.dirname,
 *   env: { prefix: 'SHOP' },
 *   code: { budget: { perServer: 50 } },
 * })
 */
export interface LoadConfigOptions {
  /**
   * The file; `false` reads none. Default: `poolhouse.config` with the ending `.ts`, `.mts`,
   * `.cts`, `.js`, `.mjs`, `.cjs` or `.json` in `directory`, if there is one.
   */
  file?: string | false | undefined
  /** The folder of the file. Default: the working directory. */
  directory?: string | undefined
  /**
   * Variables of the environment, or which of them to read; `false` reads none. Default: the
   * variables of the process.
   */
  env?: Environment | EnvironmentOptions | false | undefined
  /**
   * Values from the code, which take precedence over the file and the environment. Default: none.
   */
  code?: FileConfig | undefined
}

/** Options for `createManager`, and where each value came from. */
export interface LoadedConfig {
  /** The databases, by name. */
  readonly databases: Readonly<Record<string, DatabaseConfig>>
  /** The option `budget`. */
  readonly budget: BudgetOptions
  /** Where each value came from, by path. */
  readonly origins: Readonly<Record<string, string>>
  /**
   * Ignored variables that look like a database (`DATABASE_PUBLIC_URL`,
   * `DATABASE_API_URL=https://…`), with the reason, never with the value. `manager.explainConfig()`
   * lists them too.
   */
  readonly skipped: Readonly<Record<string, string>>
}

const FILES: readonly string[] = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json'].map(
  (ending) => `poolhouse.config.${ending}`,
)
const KNOWN: ReadonlySet<string> = new Set(['file', 'directory', 'env', 'code'])
// The server addresses of a database: all of them come from the first source that has any.
const ADDRESS: readonly (keyof DatabaseOptions)[] = [
  'primary',
  'replicas',
  'nodes',
  'discover',
  'connection',
]

/**
 * Reads the configuration from the code, a file and the environment. They are merged key by key,
 * in that order of precedence. The server addresses of a database (`primary`, `replicas`, `nodes`,
 * …) always come from a single source.
 *
 * Rejects with `ConfigError`, which names the file, key or variable and never shows a value. A
 * `.ts`, `.mts` or `.cts` file needs Node.js 22.18 or newer, or `--import tsx`.
 *
 * @example
 * const manager = createManager({ drivers: { pg: nodePostgres() }, ...(await loadConfig()) })
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  refuseUnknownOptions('loadConfig', options, KNOWN)
  const origins = new Map<string, string>()
  const databases = new Map<string, DatabaseOptions>()
  const budget: Record<string, unknown> = {}
  let skipped: ReadonlyMap<string, string> = new Map()
  const add = (config: FileConfig, origin: string): void => {
    for (const [name, given] of Object.entries(config.databases ?? {})) {
      const layer = typeof given === 'string' ? placeOf(given) : given
      databases.set(name, layered(databases.get(name), layer, `databases.${name}`, origin, origins))
    }
    for (const [key, value] of Object.entries(config.budget ?? {})) {
      if (Object.hasOwn(budget, key) || value === undefined) continue
      budget[key] = value
      origins.set(`budget.${key}`, origin)
    }
  }
  if (options.code !== undefined) {
    check('loadConfig: code', FILE, options.code)
    add(options.code, 'code')
  }
  const file = findFile(options)
  if (file !== undefined) add(await readFile(file), file)
  if (options.env !== false) {
    const environment = readEnvironment(readEnvironmentOptions('loadConfig', options.env))
    skipped = environment.skipped
    for (const [name, given] of environment.databases) {
      const former = databases.get(name)
      const from = environment.origins.get(`databases.${name}`)!
      databases.set(name, layered(former, given, `databases.${name}`, from, origins))
      const replicas = environment.origins.get(`databases.${name}.replicas`)
      if (former === undefined && replicas !== undefined)
        origins.set(`databases.${name}.replicas`, replicas)
    }
  }
  return Object.freeze({
    databases: Object.freeze(Object.fromEntries(databases)),
    budget: Object.freeze(budget as BudgetOptions),
    origins: Object.freeze(Object.fromEntries(origins)),
    skipped: Object.freeze(Object.fromEntries(skipped)),
  })
}

/** Reads a URL as a single server, or as a cluster whose primary is followed. */
function placeOf(address: string): DatabaseOptions {
  return meansCluster(address) ? { nodes: address } : { primary: address }
}

/** Adds the keys of the next source that are not set yet. */
function layered(
  former: DatabaseOptions | undefined,
  next: DatabaseOptions,
  path: string,
  origin: string,
  origins: Map<string, string>,
): DatabaseOptions {
  const result: Record<string, unknown> = { ...former }
  const hasAddress = ADDRESS.some((key) => result[key] !== undefined)
  for (const [key, value] of Object.entries(next)) {
    if (value === undefined) continue
    const isAddress = ADDRESS.includes(key as keyof DatabaseOptions)
    if (isAddress ? hasAddress : result[key] !== undefined) continue
    result[key] = value
    origins.set(`${path}.${key}`, origin)
  }
  return result
}

function findFile({ file, directory = process.cwd() }: LoadConfigOptions): string | undefined {
  if (file === false) return undefined
  if (file !== undefined) {
    const path = isAbsolute(file) ? file : resolve(directory, file)
    if (existsSync(path)) return path
    throw new ConfigError(
      `loadConfig: there is no file ${looksSecret(file) ? `(${describeText(file)})` : path}`,
    )
  }
  const found = FILES.map((name) => resolve(directory, name)).filter((path) => existsSync(path))
  if (found.length > 1)
    throw new ConfigError(`loadConfig: ${found.join(' and ')} are both there; keep one`)
  return found[0]
}

async function readFile(path: string): Promise<FileConfig> {
  const isJson = path.endsWith('.json')
  let config: unknown
  try {
    if (statSync(path).isDirectory()) throw new Error('it is a folder; give the file in it')
    config = isJson ? readFileSync(path, 'utf8') : await importDefault(path)
  } catch (error) {
    throw new ConfigError(`loadConfig: cannot read ${path}: ${reasonOf(error)}`, { cause: error })
  }
  if (isJson) config = parseJson(path, config as string)
  if (config === null || typeof config !== 'object') {
    throw new ConfigError(
      `${path}: expected ${path.endsWith('.json') ? 'an object' : 'a default export that is an object'}, got ${describeValue(config)}${SMALLEST_FILE}`,
    )
  }
  refuseHostileKeys(path, config)
  check(path, FILE, config)
  return config as FileConfig
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = `it is not JSON${whereWrong(error, text)}`
    throw new ConfigError(`loadConfig: cannot read ${path}: ${why}${SMALLEST_FILE}`)
  }
}

/**
 * What is wrong with a text that is no JSON, and where, if that is known. Other messages of
 * `JSON.parse` quote the text, which may hold a password.
 */
function whereWrong(error: unknown, text: string): string {
  const [, what, position] =
    /^(.*) (?:in|after) JSON at position (\d+)/.exec((error as Error).message) ?? []
  if (what === undefined) return ''
  const lines = text.slice(0, Number(position)).split('\n')
  return ` (${what}, at line ${lines.length}, column ${lines.at(-1)!.length + 1})`
}

function reasonOf(error: unknown): string {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (code !== 'ERR_UNKNOWN_FILE_EXTENSION') return messageOf(error)
  return 'this Node.js does not read TypeScript; start it with --import tsx, use Node.js 22.18 or newer, or write the file as poolhouse.config.mjs'
}

/** Throws `ConfigError` for the key `__proto__`, except as the name of a database. */
function refuseHostileKeys(path: string, config: object): void {
  for (const [key, value] of Object.entries(config)) {
    if (key === '__proto__') throw new ConfigError(`${path}: unknown key "__proto__"`)
    if (value === null || typeof value !== 'object') continue
    if (key !== 'databases') refuseHostileKeys(`${path}: ${key}`, value)
    else
      for (const each of Object.values(value))
        if (each instanceof Object) refuseHostileKeys(path, each)
  }
}
