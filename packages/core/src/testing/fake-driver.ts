import type { ConnectContext, Driver } from '../api/driver.js'
import type { ClockTimer } from '../base/clock.js'
import { ConnectError } from '../outcome/errors.js'
import { formatEndpoint } from '../settings/endpoint.js'
import type { FakeDriverOptions } from './fake-connection.js'
import { FakeConnection } from './fake-connection.js'

/**
 * A driver without a server: scripted, on the test's clock, and watching that the pool keeps the
 * contract.
 */
export interface FakeDriver extends Driver {
  /** Behaviour; may be changed at any time. */
  readonly options: FakeDriverOptions
  /** Connects begun so far. */
  readonly attempts: number
  /** Connects under way. */
  readonly connecting: number
  /** Sessions that are open. */
  readonly open: ReadonlySet<FakeConnection>
  /** Most sessions open or being opened at one time. */
  readonly mostOpen: number
  /** What the pool did that the contract forbids; empty if it behaved. */
  readonly violations: readonly string[]
}

/** Makes a fake driver. */
export function fakeDriver(options: FakeDriverOptions): FakeDriver {
  const open = new Set<FakeConnection>()
  const violations: string[] = []
  const { clock } = options
  let attempts = 0
  let connecting = 0
  let mostOpen = 0
  const note = (): void => {
    mostOpen = Math.max(mostOpen, open.size + connecting)
  }
  const connect = (context: ConnectContext): Promise<FakeConnection> => {
    attempts++
    connecting++
    note()
    const attempt = attempts
    const refusal = options.onConnect?.(attempt, context)
    const delay = typeof options.connectMs === 'function' ? options.connectMs() : options.connectMs
    return new Promise<FakeConnection>((resolve, reject) => {
      let timer: ClockTimer | undefined
      const end = (settle: () => void): void => {
        if (ended) return
        ended = true
        timer?.cancel()
        connecting--
        context.signal.removeEventListener('abort', onAbort)
        settle()
      }
      let ended = false
      const onAbort = (): void =>
        end(() =>
          reject(
            new ConnectError('aborted', { endpoint: formatEndpoint(context.settings.endpoint) }),
          ),
        )
      context.signal.addEventListener('abort', onAbort, { once: true })
      if (refusal === 'hang') return
      const finish = (): void =>
        end(() => {
          if (refusal !== undefined) {
            reject(refusal)
            return
          }
          const connection = new FakeConnection(attempt, context, options, violations, () =>
            open.delete(connection),
          )
          open.add(connection)
          note()
          resolve(connection)
        })
      if (delay === undefined || delay === 0) queueMicrotask(finish)
      else timer = clock.setTimer(finish, delay)
    })
  }
  return {
    name: 'fake',
    capabilities: { pipeline: true, namedStatements: true },
    options,
    open,
    violations,
    connect,
    get attempts() {
      return attempts
    },
    get connecting() {
      return connecting
    },
    get mostOpen() {
      return mostOpen
    },
  }
}
