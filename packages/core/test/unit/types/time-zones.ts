import { vi } from 'vitest'

/**
 * Zones with summer time, with half hours, with a skipped day, with midnight skipped, and far from
 * UTC.
 */
export const timeZones: readonly string[] = [
  'UTC',
  'America/New_York',
  'Asia/Kolkata',
  'America/Sao_Paulo',
  'Pacific/Apia',
  'Africa/Monrovia',
]

/**
 * Sets the time zone of this process until `vi.unstubAllEnvs()`. Throws where
 * the process cannot change its zone.
 */
export function useTimeZone(zone: string): void {
  vi.stubEnv('TZ', zone)
  const { timeZone: used } = new Intl.DateTimeFormat().resolvedOptions()
  // A zone may be known by an older name.
  const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions()
  if (used !== timeZone)
    throw new Error(`the zone is ${used}, not ${zone}; tests must run in processes`)
}

/** A number with zeros before it. */
export function pad(number: number, width: number): string {
  return String(number).padStart(width, '0')
}
