import type { ResetLevel } from '../api/driver.js'
import { LATE_STEP_MS, withDeadline } from '../base/with-deadline.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'

type CleaningHost = Pick<EngineView, 'clock' | 'config' | 'pooler' | 'cancel'>

/** Longest time to bring a session back to a known state. */
export const CLEANING_MS = 2_000

/**
 * Brings a session back to a known state: a running statement is cancelled and awaited, an open
 * transaction rolled back, changed session state reset. Rejects, within two and a half seconds,
 * when that cannot be proved; the session must then be destroyed.
 */
export async function clean(host: CleaningHost, slot: Slot): Promise<void> {
  if (host.pooler !== undefined && slot.marks.dirty) {
    // By `raw`, or before the pooler was noticed. A reset may reach another server session, and
    // never reaches what the driver's own object keeps.
    throw new Error(
      'its raw client was taken or its session changed, which no reset undoes behind a pooler',
    )
  }
  const deadline = host.clock.now() + CLEANING_MS
  const within = <T>(step: Promise<T>, what: string): Promise<T> =>
    withDeadline(host.clock, step, Math.max(LATE_STEP_MS, deadline - host.clock.now()), what)
  const connection = slot.connection!
  // An abandoned stream or copy ends by itself.
  const runs = connection.inFlight > 0 && slot.occupant === undefined
  if (runs && !slot.cancelling) host.cancel(slot)
  if (!slot.quiet) await within(slot.whenQuiet(), 'the statement it ran could not be cancelled')
  const level = levelFor(host, slot)
  // Pgpool-II sends a lone SET or RESET to all its servers, and a message of several statements to
  // the primary alone.
  const apart = host.config.pooler === 'none'
  if (level !== undefined) {
    await within(connection.reset(level, apart), 'its session could not be reset')
  }
  if (connection.transactionStatus() !== 'idle') {
    throw new Error(`its transaction status is "${connection.transactionStatus()}" after a reset`)
  }
  slot.marks.cleaned(level === 'session' || level === 'shared')
}

function levelFor(host: CleaningHost, slot: Slot): ResetLevel | undefined {
  const { dirty, drifted, wasShared } = slot.marks
  // Behind a pooler parameters drift by themselves: they are those of the last server session.
  if (host.pooler === undefined && (dirty || drifted)) return 'session'
  if (host.pooler === undefined && wasShared) return 'shared'
  return slot.connection!.transactionStatus() === 'idle' ? undefined : 'rollback'
}
