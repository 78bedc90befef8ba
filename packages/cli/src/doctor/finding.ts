/** What a finding is about. */
export type CheckName =
  | 'config'
  | 'node-version'
  | 'duplicates'
  | 'file-mode'
  | 'discovery'
  | 'dns'
  | 'network'
  | 'tls'
  | 'auth'
  | 'database'
  | 'recovery'
  | 'roles'
  | 'identity'
  | 'lag'
  | 'max-connections'
  | 'pooler'
  | 'role-settings'
  | 'grants'
  | 'replication'
  | 'version'

/**
 * How bad it is. `error`: something does not work. `warning`: it works now, and will hurt. `note`:
 * worth knowing, and no reason for exit code 1.
 */
export type Severity = 'error' | 'warning' | 'note'

/** One thing that `doctor` has to say. Holds no secrets. */
export interface Finding {
  /** How bad it is. */
  readonly severity: Severity
  /** What it is about. */
  readonly check: CheckName
  /** The database of the configuration, where it is about one. */
  readonly database?: string | undefined
  /** The server, `host:port/database`, where it is about one. */
  readonly server?: string | undefined
  /** What was found. */
  readonly message: string
  /** What to do about it. */
  readonly advice: string
}

/** Collects findings about one subject. */
export type Report = (severity: Severity, check: CheckName, message: string, advice: string) => void
