import { readFile } from 'node:fs'
import type { RawHolder } from '@poolhouse/core/kit'
import { timersAreReal, withRealTimers } from '@poolhouse/core/net'
import type { Handler, PostgresSql } from './postgres-module.js'

/** A query of postgres.js. It is sent when it is awaited, which may be after the lease. */
interface LazyQuery {
  handler: Handler & { debug?: unknown }
  strings: readonly string[]
  reject(error: Error): void
}

type Make = (...args: unknown[]) => unknown

/**
 * Returns the function `sql` for one borrower. It works during the lease; afterwards its queries
 * reject, also those made before. `called` is called whenever postgres.js has been given a query.
 */
export function lentSql(sql: PostgresSql, holder: RawHolder, called: () => void): PostgresSql {
  const unsafe = sql.unsafe as Make
  const made = (query: unknown): unknown => {
    if (isQuery(query)) refuseLater(query, holder, called)
    return query
  }
  const own: Readonly<Record<string, Make>> = {
    unsafe: (...args) => made(unsafe(...args)),
    file: (...args) => {
      const query = made(unsafe('', ...valuesAndOptions(args))) as LazyQuery
      readFirst(query, args[0] as string)
      return query
    },
    notify: async (channel, payload) =>
      await made(unsafe('select pg_notify($1, $2)', [channel, `${payload}`])),
  }
  const changes = (): void => {
    const refusal = holder.refusal()
    if (refusal !== undefined) throw refusal
    holder.exposed('a way to change its instance of postgres.js')
  }
  return new Proxy(sql, {
    apply: (_sql, _this, args: unknown[]) => made(sql(...args)),
    get: (_sql, name) => {
      if (Object.hasOwn(own, name)) return own[name as string]
      // Object mappers set parsers in it, which later users of the instance would get.
      if (name === 'options') changes()
      return Reflect.get(sql, name)
    },
    set: (_sql, name, value) => {
      changes()
      return Reflect.set(sql, name, value)
    },
    defineProperty: (_sql, name, descriptor) => {
      changes()
      return Reflect.defineProperty(sql, name, descriptor)
    },
    deleteProperty: (_sql, name) => {
      changes()
      return Reflect.deleteProperty(sql, name)
    },
    setPrototypeOf: () => false,
    preventExtensions: () => false,
  })
}

/** Makes the query ask the holder when it is about to be sent. */
function refuseLater(query: LazyQuery, holder: RawHolder, called: () => void): void {
  const { handler } = query
  const guarded: LazyQuery['handler'] = (sent) => {
    const refusal = holder.refusal()
    if (refusal !== undefined) query.reject(refusal)
    else if (timersAreReal()) handler(sent)
    // It writes in `setImmediate`.
    else withRealTimers(() => handler(sent))
    if (refusal === undefined) called()
  }
  // postgres.js reads this property.
  guarded.debug = handler.debug
  query.handler = guarded
}

/**
 * Has a query read its text from a file when it is run, as `sql.file` does; the holder is asked
 * once it is read, which may be after the lease.
 */
function readFirst(query: LazyQuery, path: string): void {
  const { handler } = query
  const reading: LazyQuery['handler'] = (sent) => {
    readFile(path, 'utf8', (error, text) => {
      if (error !== null) query.reject(error)
      else {
        query.strings = [text]
        handler(sent)
      }
    })
  }
  reading.debug = handler.debug
  query.handler = reading
}

/** The arguments of `sql.file` behind its path, as those of `sql.unsafe` behind its text. */
function valuesAndOptions(args: readonly unknown[]): unknown[] {
  const [, second, third] = args
  const hasValues = Array.isArray(second) || args.length !== 2
  const options = (hasValues ? third : second) as object | undefined
  return [hasValues ? (second ?? []) : [], { prepare: true, ...options }]
}

/** Whether the value is a query, and not a helper for writing one. */
function isQuery(made: unknown): made is LazyQuery {
  return made instanceof Promise && typeof (made as Partial<LazyQuery>).handler === 'function'
}
