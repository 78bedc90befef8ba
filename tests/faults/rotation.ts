/** A test file of the slow tier, over one driver. */
export interface FaultRun {
  /** Path from the root of the repository, with `/`. */
  readonly file: string
  /** The driver, or undefined for a file that uses none. */
  readonly driver: string | undefined
  /** Seconds that the run is known, or estimated, to take. */
  readonly seconds: number
}

/** What one commit runs: files that share a driver, so that one vitest process runs them all. */
export interface Part {
  /** The driver of every file, or undefined if no file uses one. */
  readonly driver: string | undefined
  /** Paths, the longest run first. */
  readonly files: readonly string[]
  /** Seconds that the part takes when `workers` files run at a time. */
  readonly seconds: number
}

/** How the runs are divided. */
export interface RotationOptions {
  /** Longest time of a part, in seconds. Only a single run that is longer exceeds it. */
  readonly limitSeconds: number
  /** How many files run at a time. */
  readonly workers: number
}

/**
 * Divides runs into parts: each run is in exactly one part, all runs of a part share a driver, and
 * the parts of a driver take about the same time. There are as few parts as the limit allows. The
 * drivers alternate from part to part. The same runs always give the same parts. Runs that use no
 * driver go with the driver that has the least to do.
 */
export function rotation(runs: readonly FaultRun[], options: RotationOptions): readonly Part[] {
  const drivers = [...new Set(runs.flatMap(({ driver }) => driver ?? []))].sort()
  const groups = drivers.map((driver) => ({
    driver: driver as string | undefined,
    runs: runs.filter((run) => run.driver === driver),
  }))
  if (groups.length === 0) groups.push({ driver: undefined, runs: [] })
  const least = groups.reduce((a, b) => (total(b.runs) < total(a.runs) ? b : a))
  least.runs.push(...runs.filter(({ driver }) => driver === undefined))
  const parts = groups.map(({ driver, runs }) =>
    divide(runs, options).map(
      (part): Part => ({
        driver,
        files: part.map(({ file }) => file),
        seconds: makespan(part, options.workers),
      }),
    ),
  )
  const longest = Math.max(...parts.map(({ length }) => length))
  return Array.from({ length: longest }, (_, index) =>
    parts.flatMap((ofDriver) => ofDriver[index] ?? []),
  ).flat()
}

/** The index of the part that this commit runs, for any whole number of a commit. */
export function partOf(commit: number, parts: number): number {
  return ((commit % parts) + parts) % parts
}

/** The fewest parts that keep the limit, or one for each run. */
function divide(runs: readonly FaultRun[], options: RotationOptions): FaultRun[][] {
  const { limitSeconds, workers } = options
  const sorted = [...runs].sort(
    (a, b) => b.seconds - a.seconds || (a.file < b.file ? -1 : a.file > b.file ? 1 : 0),
  )
  for (let count = 1; count < sorted.length; count++) {
    const parts = spread(sorted, count)
    const fits = (part: readonly FaultRun[]): boolean =>
      part.length === 1 || makespan(part, workers) <= limitSeconds
    if (parts.every(fits)) return parts
  }
  return sorted.map((run) => [run])
}

/** How long runs take, each begun by the first worker that is free. */
function makespan(sorted: readonly FaultRun[], workers: number): number {
  return Math.max(0, ...spread(sorted, workers).map(total))
}

/** Gives each run, the longest first, to the share that has the least so far. */
function spread(sorted: readonly FaultRun[], count: number): FaultRun[][] {
  const shares = Array.from({ length: count }, () => ({ runs: [] as FaultRun[], seconds: 0 }))
  for (const run of sorted) {
    const share = shares.reduce((a, b) => (b.seconds < a.seconds ? b : a))
    share.runs.push(run)
    share.seconds += run.seconds
  }
  return shares.map(({ runs }) => runs)
}

function total(runs: readonly FaultRun[]): number {
  return runs.reduce((sum, { seconds }) => sum + seconds, 0)
}
