import { ConnectError, type Driver } from '@poolhouse/core'
import type { AutoPrepare, ConnectContext, DriverConnection } from '@poolhouse/core/kit'
import { StatementRules } from '@poolhouse/core/net'
import type { Fault } from './fault.js'
import { FaultyConnection } from './faulty-connection.js'

/** A good driver made bad, and how to get rid of what it leaves behind. */
export interface FaultyDriver {
  readonly driver: Driver
  /** Breaks every session that was ever opened. */
  cleanUp(): void
}

/** Wraps a good driver and gives it one fault. */
export function faultyDriver(good: Driver, fault: Fault): FaultyDriver {
  const opened: DriverConnection[] = []
  const open = async (context: ConnectContext): Promise<DriverConnection> => {
    const connection = await good.connect(context)
    opened.push(connection)
    return connection
  }
  return {
    driver: {
      name: `${good.name} that ${fault}`,
      capabilities: good.capabilities,
      connect: (context) => connect(context, fault, open, opened),
    },
    cleanUp() {
      for (const connection of opened) connection.destroy('the test is over')
    },
  }
}

async function connect(
  context: ConnectContext,
  fault: Fault,
  open: (context: ConnectContext) => Promise<DriverConnection>,
  opened: readonly DriverConnection[],
): Promise<DriverConnection> {
  const changed = changedContext(context, fault)
  const lines: FaultyConnection[] = []
  const listener = {
    ...context.listener,
    closed(reason: unknown): void {
      if (fault === 'never tells of the end') return
      if (fault === 'reconnects silently' && lines[0]?.ended === false) {
        void open(changed).then((connection) => lines[0]?.replace(connection))
        return
      }
      if (fault === 'rejects a promise without a holder')
        void Promise.reject(new Error('it has no holder'))
      if (fault === 'throws where nothing catches') {
        setImmediate(() => {
          throw new Error('the socket is null')
        })
      }
      context.listener.closed(reason)
      if (fault === 'tells of the end twice') context.listener.closed(reason)
    },
    notice(notice: Parameters<typeof context.listener.notice>[0]): void {
      if (fault !== 'tells nothing of notices') context.listener.notice(notice)
    },
  }
  const pending = open({ ...changed, listener })
  if (fault === 'leaves the socket of an aborted connect open') await abortable(pending, context)
  const line = new FaultyConnection(await pending, {
    fault,
    password: context.password,
    closed: (reason) => context.listener.closed(reason),
    strangerOf: (connection) => opened.find((other) => other !== connection),
  })
  lines.push(line)
  return line
}

/** The context with which a faulty driver asks the good one. */
function changedContext(context: ConnectContext, fault: Fault): ConnectContext {
  switch (fault) {
    case 'leaves the socket of an aborted connect open':
      return { ...context, signal: new AbortController().signal }
    case 'ignores the deadline of connect':
      return { ...context, timeoutMs: context.timeoutMs * 4 }
    case 'accepts every log-in':
      return { ...context, requireAuth: undefined }
    case 'prepares without bound':
      return { ...context, statements: unbounded(context.statements?.automatic) }
    case 'reads no types':
      return { ...context, types: { parserOf: () => undefined } }
    case 'ignores parsers':
      return { ...context, types: undefined }
    default:
      return context
  }
}

function unbounded(automatic: AutoPrepare | undefined): StatementRules {
  return new StatementRules(automatic && { ...automatic, max: 10_000 })
}

/** Rejects as soon as the signal fires, and leaves the promise to itself. */
async function abortable<T>(pending: Promise<T>, { signal, settings }: ConnectContext): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const fail = (): void =>
      reject(
        new ConnectError('aborted', { endpoint: settings.endpoint.host, cause: signal.reason }),
      )
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
  aborted.catch(() => {})
  pending.catch(() => {})
  return Promise.race([pending, aborted])
}
