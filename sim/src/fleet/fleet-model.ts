/**
 * What is simulated: the servers, the processes, and when what happens. Times are milliseconds of
 * virtual time.
 */
export interface FleetModel {
  /** Everything random is drawn from this number, so that a run can be repeated. */
  readonly seed: number
  /** Processes, each with a manager of its own. */
  readonly processes: number
  /** Databases of each process, all on the one cluster. */
  readonly databases: number
  /**
   * Share of the processes whose second busy connection reads on the standbys; that of the others
   * writes, in another database.
   */
  readonly readingShare: number
  /** Log-ins that a server carries out in a second; those that come meanwhile wait in line. */
  readonly logInsPerSecond: number
  /** `max_connections` less what is reserved; those that log in count. */
  readonly connections: number
  /** From the death of the primary to the promotion of a standby. */
  readonly promotionMs: number
  /** Over which time the processes are started, evenly; meanwhile log-ins take no time. */
  readonly startMs: number
  /** How long all of them run before the primary dies. */
  readonly calmMs: number
  /** How long is looked at after the promotion. */
  readonly afterMs: number
  /** How long a read and a write take. */
  readonly statementMs: number
  /** How long its connection stays busy after that, as that of a longer transaction does. */
  readonly busyMs: number
}

/** A thousand processes on servers of a usual size. */
export const FLEET: FleetModel = {
  seed: 1,
  processes: 1_000,
  databases: 10,
  readingShare: 0.5,
  logInsPerSecond: 200,
  connections: 5_000,
  promotionMs: 3_000,
  startMs: 3_000,
  calmMs: 12_000,
  afterMs: 6_500,
  statementMs: 20,
  busyMs: 1_000,
}

/** What the processes of the fleet write; a server takes no other statement for a write. */
export const WRITE = 'insert into notes values (1)'
/** What the processes of the fleet read. */
export const READ = 'select n from notes'
