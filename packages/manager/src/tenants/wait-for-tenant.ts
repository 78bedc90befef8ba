import {
  AbortError,
  AcquireTimeoutError,
  type Clock,
  type ClockTimer,
  PoolhouseError,
} from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { failCall, ownError, unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { Tenant } from './tenant.js'

/**
 * Waits until a tenant is resolved, within the `timeoutMs` and `signal` of the call. The look-up
 * itself goes on for later calls.
 */
export function waitForTenant(
  found: Promise<Tenant>,
  id: string,
  call: PoolCall<unknown>,
  clock: Clock,
): Promise<Tenant> {
  const { signal, timeoutMs } = call
  if (signal === undefined && timeoutMs === undefined) return found
  return new Promise((resolve) => {
    let timer: ClockTimer | undefined
    const end = (): void => {
      timer?.cancel()
      unwatchSignal(signal, onAbort)
    }
    const fail = (error: unknown): void => {
      end()
      // Others may wait for the same answer.
      failCall(resolve, error instanceof PoolhouseError ? ownError(error) : error)
    }
    const onAbort = (): void => fail(new AbortError(signal!.reason, 'no'))
    found.then((tenant) => {
      end()
      resolve(tenant)
    }, fail)
    if (signal?.aborted) return onAbort()
    watchSignal(signal, onAbort)
    if (timeoutMs !== undefined) {
      timer = clock.setTimer(() => fail(late(timeoutMs, id)), timeoutMs, { keepAlive: true })
    }
  })
}

function late(timeoutMs: number, id: string): AcquireTimeoutError {
  return new AcquireTimeoutError(timeoutMs, {
    pool: id,
    endpoint: 'not known yet: tenants.resolve() has not answered',
    total: 0,
    idle: 0,
    leased: 0,
    connecting: 0,
    pending: 1,
    max: 0,
  })
}
