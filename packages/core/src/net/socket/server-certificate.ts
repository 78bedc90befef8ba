import type { PeerCertificate, TLSSocket } from 'node:tls'
import {
  type ConnectionOptions,
  readConnectionSettings,
} from '../../settings/connection-settings.js'
import { ConnectDeadline } from './connect-deadline.js'
import { planTls } from './tls-plan.js'
import { openTransport, targetOf } from './transport.js'

/** What a server shows of itself. */
export interface ServerCertificate {
  /** The certificate, valid or not. */
  readonly certificate: PeerCertificate
  /** Whether a connection with these options verifies it. */
  readonly isVerified: boolean
}

/**
 * The certificate that a server shows, valid or not; undefined where the connection would not be
 * encrypted. Asked over a connection of its own, which ends before the log-in. Rejects with the
 * error of the socket or of TLS, after `timeoutMs`, or with the reason of the signal.
 */
export async function serverCertificate(
  connection: ConnectionOptions,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ServerCertificate | undefined> {
  const settings = readConnectionSettings('serverCertificate', connection, undefined)
  const plan = planTls(settings)
  if (plan === undefined) return undefined
  const options = { ...plan.options, rejectUnauthorized: false }
  using deadline = new ConnectDeadline(timeoutMs, signal)
  const transport = await openTransport(targetOf(settings), { ...plan, options }, deadline)
  try {
    if (!transport.encrypted) return undefined
    const certificate = (transport.stream as TLSSocket).getPeerCertificate()
    return { certificate, isVerified: plan.options.rejectUnauthorized === true }
  } finally {
    transport.stream.destroy()
  }
}
