import type { PoolView } from '../dashboard-state.js'

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A count, in groups of three: `12,345`. */
export function count(value: number): string {
  return WHOLE.format(value)
}

/** A rate: `0`, `0.4`, `12`, `1,234`. */
export function rate(value: number): string {
  return value > 0 && value < 9.95 ? value.toFixed(1) : count(value)
}

/** A time: `0.42 ms`, `4.2 ms`, `421 ms`, `4.2 s`, `3 min 20 s`. A dash is not known. */
export function duration(ms: number | undefined | null): string {
  if (ms === undefined || ms === null) return '–'
  if (ms === 0) return '0 ms'
  if (ms < 0.995) return `${ms.toFixed(2)} ms`
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${ms.toFixed(0)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** The name of a pool, and of a tenant's that it is one. */
export function titleOf({ name, kind }: Pick<PoolView, 'name' | 'kind'>): string {
  return kind === 'tenant' ? `${name} (tenant)` : name
}

/** A part of a whole: `37 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** A time of day with its milliseconds, as this browser's zone has it: `16:04:05.123`. */
export function timeOfDay(wallMs: number): string {
  const at = new Date(wallMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const thousandth = String(at.getMilliseconds()).padStart(3, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${thousandth}`
}
