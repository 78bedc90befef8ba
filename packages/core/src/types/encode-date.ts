/**
 * Writes an instant as local time with its distance from UTC, `2026-01-31T23:59:59.999+01:00`, as
 * `pg` does: a `timestamptz` takes the instant from it, a `timestamp` the local time and a `date`
 * the local day. Years before 1 have ` BC` behind.
 */
export function encodeDate(date: Date): string {
  const year = date.getFullYear()
  // The year before 1 is 0 for JavaScript and 1 BC for PostgreSQL.
  const shownYear = year > 0 ? year : 1 - year
  const day = `${pad(shownYear, 4)}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`
  return `${day}T${time}${offsetOf(date, year)}${year > 0 ? '' : ' BC'}`
}

function offsetOf(date: Date, year: number): string {
  // Clocks once ran by the sun: getTimezoneOffset() leaves out the seconds of their distance, and
  // the instant would be wrong by them.
  const seconds = year > 1972 ? date.getTimezoneOffset() * -60 : exactOffset(date)
  const distance = Math.abs(seconds)
  const hours = Math.floor(distance / 3_600)
  const minutes = Math.floor(distance / 60) % 60
  const rest = distance % 60
  return `${seconds < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}${rest === 0 ? '' : `:${two(rest)}`}`
}

function exactOffset(date: Date): number {
  const local = new Date(0)
  local.setUTCFullYear(date.getFullYear(), date.getMonth(), date.getDate())
  local.setUTCHours(date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds())
  return Math.round((local.getTime() - date.getTime()) / 1_000)
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number)
}

function pad(number: number, width: number): string {
  return String(number).padStart(width, '0')
}
