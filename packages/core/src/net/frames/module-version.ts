import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A version in three numbers. */
export type VersionNumbers = readonly [number, number, number]

/**
 * Whether a version such as `8.16.3` is below the one needed. Pre-releases count as their release.
 */
export function isOlder(version: string, needed: VersionNumbers): boolean {
  const parts = version.split(/[.+-]/, 3).map(Number)
  for (const [index, number] of needed.entries()) {
    const part = parts[index] ?? 0
    // A version we cannot read is not a reason to refuse work.
    if (Number.isNaN(part)) return false
    if (part !== number) return part < number
  }
  return false
}

/**
 * The version of exactly this copy of a module, if it was required: only of those the module cache
 * knows the file. `name` is the name of its package.
 */
export function versionOfModule(exported: unknown, name: string): string | undefined {
  try {
    const { cache } = createRequire(import.meta.url)
    for (const module of Object.values(cache)) {
      if (module !== undefined && module.exports === exported) {
        return versionAbove(module.filename, name)
      }
    }
  } catch {
    // Bundled, or the files are not where they were: there is no version to read, and that is no
    // reason to fail.
  }
  return undefined
}

/**
 * The version of the loaded copy of a package whose modules export this value under this key, such
 * as a class that another package hands on. `name` is the name of the package.
 */
export function versionOfExport(value: unknown, key: string, name: string): string | undefined {
  try {
    const { cache } = createRequire(import.meta.url)
    for (const module of Object.values(cache)) {
      // Only modules of that package are looked at: an export may be a getter with an effect.
      if (module === undefined || !module.filename.includes(name)) continue
      const exported = module.exports as Readonly<Record<string, unknown>> | null
      if (exported?.[key] === value) return versionAbove(module.filename, name)
    }
  } catch {
    // As above.
  }
  return undefined
}

/**
 * The version of the package of this name that a driver finds. `url` is that of the driver's
 * module; bundlers that make CommonJS leave it undefined.
 */
export function versionBeside(url: string | undefined, name: string): string | undefined {
  try {
    return versionAbove(createRequire(url!).resolve(name), name)
  } catch {
    return undefined
  }
}

/** A package need not export its package.json, and below it may lie others, without a version. */
function versionAbove(file: string, name: string): string | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const found = readPackage(join(folder, 'package.json'))
    if (found?.name === name) return found.version
  }
  return undefined
}

function readPackage(file: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string }
  } catch {
    return undefined
  }
}
