import { readFile } from 'node:fs'
import type { BaseSql, PostgresQuery, QueryHandler } from './postgres-query.js'
import { noteOrigin } from './query-origin.js'
import type { QueryRunner } from './query-runner.js'
import type { SqlTarget } from './sql-target.js'

type Make = (...args: unknown[]) => unknown

/** A function `sql` whose queries run on one target. */
export interface SqlFunction extends Make {
  [name: string]: unknown
}

/** Gets each query of a scope as soon as it is about to run. */
export type Watch = (query: PostgresQuery) => void

/**
 * Makes the function `sql` of one target: `base` makes the queries, and they give themselves to the
 * runner. On one session they run in the order in which they were begun; elsewhere side by side.
 */
export function sqlScope(
  base: BaseSql,
  runner: QueryRunner,
  targetOf: (query: PostgresQuery) => SqlTarget | Promise<SqlTarget>,
  { inOrder, watch }: { inOrder: boolean; watch?: Watch | undefined },
): SqlFunction {
  let tail: Promise<void> = Promise.resolve()
  const begin = async (query: PostgresQuery): Promise<void> => {
    let target: SqlTarget
    try {
      target = await targetOf(query)
    } catch (error) {
      query.reject(runner.translate(error, query))
      return
    }
    await runner.run(query, target)
  }
  const handler: QueryHandler = (query) => {
    watch?.(query)
    if (inOrder) tail = tail.then(() => begin(query))
    else void begin(query)
  }
  handler.debug = base.options['debug']
  const cancel = (query: PostgresQuery): Promise<void> => runner.cancel(query)
  const adopt = (made: unknown, run = handler): unknown => {
    if (!isQuery(made)) return made
    made.handler = run
    made.canceller = cancel
    return made
  }
  const { unsafe, file, array, json, typed, types } = base as unknown as Record<string, Make>
  const sql = ((...args: unknown[]) => {
    const [template] = args
    if (Array.isArray((template as Partial<TemplateStringsArray> | undefined)?.raw)) {
      noteOrigin(template as object, sql)
    }
    return adopt(base(...args))
  }) as unknown as SqlFunction
  const fromFile: (path: string) => QueryHandler = (path) => {
    const read: QueryHandler = (query) => {
      readFile(path, 'utf8', (error, text) => {
        if (error !== null) return query.reject(error)
        query.strings = [text]
        handler(query)
      })
    }
    read.debug = handler.debug
    return read
  }
  return Object.assign(sql, {
    unsafe: (...args: unknown[]) => adopt(unsafe!(...args)),
    file: (...args: unknown[]) => adopt(file!(...args), fromFile(args[0] as string)),
    notify: async (channel: string, payload: unknown) =>
      await (sql as Make)(NOTIFY, channel, `${payload}`),
    array,
    json,
    typed,
    types,
  })
}

const NOTIFY: TemplateStringsArray = Object.assign(['select pg_notify(', ', ', ')'], {
  raw: ['select pg_notify(', ', ', ')'],
})

function isQuery(made: unknown): made is PostgresQuery {
  return made instanceof Promise && typeof (made as Partial<PostgresQuery>).handler === 'function'
}
