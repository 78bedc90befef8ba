/**
 * How safe a commit is. `configured`: as safe as `synchronous_commit` and
 * `synchronous_standby_names` ask for. `local`: on the disk of the primary, but the server stopped
 * waiting for its synchronous standbys; a failover may lose it.
 */
export type Durability = 'configured' | 'local'

/**
 * Whether the server may have done the work of a failed call.
 *
 * - `no`: provably not; the call can be repeated
 * - `rolled-back`: it was begun and provably undone; the call can be repeated
 * - `unknown`: it was sent and no answer came; repeating it may do the work twice
 * - `yes`: it was done; only what came after failed
 */
export type Executed = 'no' | 'rolled-back' | 'unknown' | 'yes'
