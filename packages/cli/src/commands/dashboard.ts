import { type Outcome, UsageError } from '../outcome.js'
import { liveManager } from '../serve/live-manager.js'
import { type ServeOptions, serve } from '../serve/serve.js'
import { findTarget, type TargetChoice } from '../target/find-target.js'
import type { CommandContext } from './command.js'

/** Options of `dashboard`. */
export interface DashboardCommandOptions extends TargetChoice, ServeOptions {
  /** What a browser must show. Default: `POOLHOUSE_TOKEN` of the environment. */
  readonly token?: string | undefined
}

const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/

/**
 * Serves the dashboard of the databases until it is ended. Beyond loopback it demands a token,
 * which it never prints.
 */
export async function dashboard(
  context: CommandContext,
  { host, port, token = context.io.env['POOLHOUSE_TOKEN'], ...choice }: DashboardCommandOptions,
): Promise<Outcome> {
  if (!token && !LOOPBACK.test(host)) {
    throw new UsageError(
      `--host ${host} lets other machines in, so a token is needed: set POOLHOUSE_TOKEN, or give --token`,
    )
  }
  const target = await findTarget(choice, context.io)
  const { createDashboard } = await import('@poolhouse/dashboard')
  const live = liveManager(target, context.timeoutMs)
  const page = createDashboard(live.manager, token ? { token } : {})
  let address = ''
  try {
    await serve(page.handler, { host, port }, context.signal, (url) => {
      address = url
      context.publish({ url }, `the dashboard is at ${token ? `${url}?token=…` : url}\n`)
    })
  } finally {
    page.close()
    await live.close()
  }
  return { exitCode: 0, document: { url: address }, text: '' }
}
