import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Driver } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import { nodePostgres } from '@poolhouse/node-postgres'

/** The driver that the commands use. */
export interface FoundDriver {
  /** Over the project's copy of `pg`, or else over our own. */
  readonly driver: Driver
  /** Why the project's copy is not used, if it has one. */
  readonly problem: string | undefined
}

/**
 * Finds the copy of `pg` that an application in this folder would load. Falls back to our own where
 * there is none, or where it cannot be used: applications over postgres.js have none.
 */
export async function findDriver(cwd: string): Promise<FoundDriver> {
  let path: string
  try {
    path = createRequire(join(cwd, 'poolhouse.config.js')).resolve('pg')
  } catch {
    return { driver: nodePostgres(), problem: undefined }
  }
  try {
    const module = (await import(pathToFileURL(path).href)) as { default: { Client: object } }
    return { driver: nodePostgres({ pg: module.default }), problem: undefined }
  } catch (error) {
    return { driver: nodePostgres(), problem: messageOf(error) }
  }
}
