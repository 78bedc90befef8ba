import type { RawHolder } from '@poolhouse/core'
import type { Handler, PostgresSql } from './postgres-module.js'

/** A query of postgres.js, which is sent when somebody awaits it: that may be after the lease. */
interface LazyQuery {
  handler: Handler & { debug?: unknown }
  reject(error: Error): void
}

type Make = (...args: unknown[]) => unknown

/** The function `sql` for one borrower: the real one while his lease is out; afterwards its queries reject, also those made before. */
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
  return new Proxy(sql, {
    apply: (_sql, _this, args: unknown[]) => made(sql(...args)),
    get: (_sql, name) => (Object.hasOwn(own, name) ? own[name as string] : Reflect.get(sql, name)),
  })
}

/** Has the query ask the holder when it is its time to be sent. */
function refuseLater(query: LazyQuery, holder: RawHolder): void {
  const { handler } = query
  const guarded: LazyQuery['handler'] = (sent) => {
    const refusal = holder.refusal()
    if (refusal === undefined) handler(sent)
    else query.reject(refusal)
  }
  // postgres.js keeps a setting there.
  guarded.debug = handler.debug
  query.handler = guarded
}

/** What a tagged template and `unsafe` make, in contrast to what helps to write one. */
function isQuery(made: unknown): made is LazyQuery {
  return made instanceof Promise && typeof (made as Partial<LazyQuery>).handler === 'function'
}
