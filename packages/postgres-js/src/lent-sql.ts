import type { RawHolder } from '@poolhouse/core/kit'
import type { Handler, PostgresSql } from './postgres-module.js'

/** A query of postgres.js. It is sent when it is awaited, which may be after the lease. */
interface LazyQuery {
  handler: Handler & { debug?: unknown }
  reject(error: Error): void
}

type Make = (...args: unknown[]) => unknown

/**
 * Returns the function `sql` for one borrower. It works during the lease; afterwards its queries
 * reject, also those made before.
 */
export function lentSql(sql: PostgresSql, holder: RawHolder): PostgresSql {
  const { unsafe, file, notify } = sql as unknown as Record<string, Make>
  const made = (query: unknown): unknown => {
    if (isQuery(query)) refuseLater(query, holder)
    return query
  }
  const own: Readonly<Record<string, Make>> = {
    unsafe: (...args) => made(unsafe!(...args)),
    file: (...args) => made(file!(...args)),
    notify: (...args) => {
      const refusal = holder.refusal()
      return refusal === undefined ? notify!(...args) : Promise.reject(refusal)
    },
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
function refuseLater(query: LazyQuery, holder: RawHolder): void {
  const { handler } = query
  const guarded: LazyQuery['handler'] = (sent) => {
    const refusal = holder.refusal()
    if (refusal === undefined) handler(sent)
    else query.reject(refusal)
  }
  // postgres.js reads this property.
  guarded.debug = handler.debug
  query.handler = guarded
}

/** Whether the value is a query, and not a helper for writing one. */
function isQuery(made: unknown): made is LazyQuery {
  return made instanceof Promise && typeof (made as Partial<LazyQuery>).handler === 'function'
}
