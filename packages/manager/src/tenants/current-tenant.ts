import { AsyncLocalStorage } from 'node:async_hooks'
import { WrongTenantError } from '@poolhouse/core'
import { describeName } from '@poolhouse/core/kit'

/**
 * The tenant that the running code works for. In its scope, calls for other tenants are refused.
 */
export class CurrentTenant {
  readonly #current = new AsyncLocalStorage<string | undefined>()

  /** The tenant of the current scope; undefined outside of one. */
  get id(): string | undefined {
    return this.#current.getStore()
  }

  /** Runs `work` in the scope of a tenant. Throws `WrongTenantError` in the scope of another. */
  run<R>(id: string, work: () => R): R {
    this.check(id)
    return this.#current.run(id, work)
  }

  /** Runs `work` outside of any scope. */
  leave<R>(work: () => R): R {
    return this.#current.run(undefined, work)
  }

  /** Throws `WrongTenantError` in the scope of another tenant. */
  check(id: string): void {
    const scope = this.#current.getStore()
    if (scope === undefined || scope === id) return
    throw new WrongTenantError(
      `tenant ${describeName(id)} was used in the scope of tenant ${describeName(scope)}; if that is intended, use manager.unscoped()`,
    )
  }
}
