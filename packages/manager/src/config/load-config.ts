import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { ConfigError } from '@poolhouse/core'
import { describeText, describeValue, looksSecret, refuseUnknownOptions } from '@poolhouse/core/kit'
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

/** What a configuration file holds. */
export interface FileConfig {
  /** Address of the JSON Schema, for editors. */
  $schema?: string | undefined
  /** The databases, by name; drivers by their key. */
  databases?: Readonly<Record<string, string | DatabaseOptions>> | undefined
  /** As `createManager`. */
  budget?: BudgetOptions | undefined
}

/** Options of `loadConfig`. */
export interface LoadConfigOptions {
  /**
   * The file; `false` for none. Default: `poolhouse.config` with the ending `.ts`, `.mts`, `.cts`,
   * `.js`, `.mjs`, `.cjs` or `.json` in `directory`, if there is one.
   */
  file?: string | false | undefined
  /** Where the file is. Default: the working directory. */
  directory?: string | undefined
  /**
   * Variables of the environment, or which of them are databases; `false` for none. Default: those
   * of the process.
   */
  env?: Environment | EnvironmentOptions | false | undefined
  /** What the code says, which comes before everything else. */
  code?: FileConfig | undefined
}

/** What `createManager` takes, and where each value came from. */
export interface LoadedConfig {
  /** The databases, by name. */
  readonly databases: Readonly<Record<string, DatabaseConfig>>
  /** The budget. */
  readonly budget: BudgetOptions
  /** Where values came from, by path. */
  readonly origins: Readonly<Record<string, string>>
  /**
   * Variables of the environment that look like those of a database and were not taken, each with
   * the reason and never with its value: `DATABASE_PUBLIC_URL`, `DATABASE_API_URL=https://…`.
   * `manager.explainConfig()` lists them too.
   */
  readonly skipped: Readonly<Record<string, string>>
}

const FILES: readonly string[] = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json'].map(
  (ending) => `poolhouse.config.${ending}`,
)
const KNOWN: ReadonlySet<string> = new Set(['file', 'directory', 'env', 'code'])
// Where a database is: whoever says any of it says all of it.
const PLACE: readonly (keyof DatabaseOptions)[] = [
  'primary',
  'replicas',
  'nodes',
  'discover',
  'connection',
]

/**
 * Reads the configuration: first what the code says, then the file, then the environment. Of one
 * database each key comes from the first that has it; where it is (`primary`, `replicas`, `nodes`,
 * …) comes from one of them as a whole. Databases that only the environment knows are added.
 *
 * Rejects with `ConfigError` that names file, key or variable, and never shows a value. A `.ts`,
 * `.mts` or `.cts` file needs a runtime that reads TypeScript: Node.js 22.18 or newer, or 20 with
 * `--import tsx`.
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

/** A single address: of one server, or of a cluster whose primary is followed. */
function placeOf(address: string): DatabaseOptions {
  return meansCluster(address) ? { nodes: address } : { primary: address }
}

/** What stands already, and what the next layer adds to it. */
function layered(
  former: DatabaseOptions | undefined,
  next: DatabaseOptions,
  path: string,
  origin: string,
  origins: Map<string, string>,
): DatabaseOptions {
  const result: Record<string, unknown> = { ...former }
  const isPlaced = PLACE.some((key) => result[key] !== undefined)
  for (const [key, value] of Object.entries(next)) {
    if (value === undefined) continue
    const place = PLACE.includes(key as keyof DatabaseOptions)
    if (place ? isPlaced : result[key] !== undefined) continue
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
  let config: unknown
  try {
    if (path.endsWith('.json')) config = JSON.parse(readFileSync(path, 'utf8'))
    else config = await importDefault(path)
  } catch (error) {
    // What JSON.parse says quotes the file, which may hold a password.
    const why = path.endsWith('.json') ? 'it is not JSON' : whyNotLoaded(error)
    throw new ConfigError(
      `loadConfig: cannot read ${path}: ${why}`,
      path.endsWith('.json') ? {} : { cause: error },
    )
  }
  if (config === null || typeof config !== 'object') {
    throw new ConfigError(
      `${path}: expected ${path.endsWith('.json') ? 'an object' : 'a default export that is an object'}, got ${describeValue(config)}`,
    )
  }
  refuseHostileKeys(path, config)
  check(path, FILE, config)
  return config as FileConfig
}

function whyNotLoaded(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'ERR_UNKNOWN_FILE_EXTENSION') return message
  return 'this Node.js does not read TypeScript; start it with --import tsx, use Node.js 22.18 or newer, or write the file as poolhouse.config.mjs'
}

/**
 * A file cannot mean these keys anywhere but as the name of a database, and must not get near a
 * prototype.
 */
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
