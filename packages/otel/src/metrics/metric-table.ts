/** One metric that is recorded. */
export interface MetricInfo {
  /** Its name. */
  readonly name: string
  /** What it is; those that are `observed` are read when metrics are collected. */
  readonly instrument:
    | 'histogram'
    | 'counter'
    | 'observed counter'
    | 'observed up-down counter'
    | 'observed gauge'
  /** Its unit, by UCUM. */
  readonly unit: string
  /** What it says. */
  readonly description: string
  /** Names of its attributes. Those that do not apply to a value are absent there. */
  readonly attributes: readonly string[]
  /** Bounds of the buckets of a histogram. */
  readonly bounds?: readonly number[]
}

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
const ROWS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
const SERVER = ['db.system.name', 'db.namespace', 'server.address', 'server.port']
const OPERATION = [...SERVER, 'db.query.summary', 'error.type', 'db.response.status_code']
const POOL = 'db.client.connection.pool.name'

/** Short name of a metric. */
export type MetricKey =
  | 'operationDuration'
  | 'returnedRows'
  | 'connectionCount'
  | 'idleMax'
  | 'idleMin'
  | 'max'
  | 'pendingRequests'
  | 'timeouts'
  | 'createTime'
  | 'waitTime'
  | 'useTime'
  | 'routingDecisions'
  | 'routingEvents'
  | 'staleness'
  | 'nodeState'
  | 'failoverDuration'
  | 'holdDuration'
  | 'inDoubt'
  | 'retried'
  | 'ejections'
  | 'leaks'
  | 'budgetUsed'
  | 'budgetLimit'
  | 'tenantPools'
  | 'tenantEvictions'

const TABLE: Readonly<Record<MetricKey, MetricInfo>> = {
  operationDuration: {
    name: 'db.client.operation.duration',
    instrument: 'histogram',
    unit: 's',
    description: 'Time from the call of a statement to its answer, waits included.',
    attributes: OPERATION,
    bounds: SECONDS,
  },
  returnedRows: {
    name: 'db.client.response.returned_rows',
    instrument: 'histogram',
    unit: '{row}',
    description: 'Rows that a statement has returned.',
    attributes: [...SERVER, 'db.query.summary'],
    bounds: ROWS,
  },
  connectionCount: {
    name: 'db.client.connection.count',
    instrument: 'observed up-down counter',
    unit: '{connection}',
    description: 'Open connections, idle or used.',
    attributes: [POOL, 'db.client.connection.state'],
  },
  idleMax: {
    name: 'db.client.connection.idle.max',
    instrument: 'observed up-down counter',
    unit: '{connection}',
    description: 'Most idle connections allowed.',
    attributes: [POOL],
  },
  idleMin: {
    name: 'db.client.connection.idle.min',
    instrument: 'observed up-down counter',
    unit: '{connection}',
    description: 'Connections that are opened and kept without demand.',
    attributes: [POOL],
  },
  max: {
    name: 'db.client.connection.max',
    instrument: 'observed up-down counter',
    unit: '{connection}',
    description: 'Most connections allowed.',
    attributes: [POOL],
  },
  pendingRequests: {
    name: 'db.client.connection.pending_requests',
    instrument: 'observed up-down counter',
    unit: '{request}',
    description: 'Calls that wait for a connection.',
    attributes: [POOL],
  },
  timeouts: {
    name: 'db.client.connection.timeouts',
    instrument: 'counter',
    unit: '{timeout}',
    description: 'Calls that have waited for a connection in vain.',
    attributes: [POOL],
  },
  createTime: {
    name: 'db.client.connection.create_time',
    instrument: 'histogram',
    unit: 's',
    description: 'Time to open a connection.',
    attributes: [POOL],
    bounds: SECONDS,
  },
  waitTime: {
    name: 'db.client.connection.wait_time',
    instrument: 'histogram',
    unit: 's',
    description: 'Time that a call has waited for its connection; 0 if one was there at once.',
    attributes: [POOL],
    bounds: SECONDS,
  },
  useTime: {
    name: 'db.client.connection.use_time',
    instrument: 'histogram',
    unit: 's',
    description: 'Time for which a call had its connection.',
    attributes: [POOL],
    bounds: SECONDS,
  },
  routingDecisions: {
    name: 'poolhouse.routing.decisions',
    instrument: 'observed counter',
    unit: '{call}',
    description: 'Calls by where they were sent, and why there.',
    attributes: ['poolhouse.pool', 'poolhouse.route.target', 'poolhouse.route.reason'],
  },
  routingEvents: {
    name: 'poolhouse.routing.events',
    instrument: 'observed counter',
    unit: '{event}',
    description: 'What else has happened to routed calls, such as a wait for a fresh replica.',
    attributes: ['poolhouse.pool', 'poolhouse.route.event'],
  },
  staleness: {
    name: 'poolhouse.replica.staleness',
    instrument: 'observed gauge',
    unit: 's',
    description: 'Upper bound of how old the data of a replica are.',
    attributes: ['poolhouse.pool', 'poolhouse.node'],
  },
  nodeState: {
    name: 'poolhouse.node.state',
    instrument: 'observed gauge',
    unit: '1',
    description: '1 for the state in which a node is.',
    attributes: ['poolhouse.pool', 'poolhouse.node', 'poolhouse.node.state'],
  },
  failoverDuration: {
    name: 'poolhouse.failover.duration',
    instrument: 'histogram',
    unit: 's',
    description: 'Time without a primary, up to a new one or the same one again.',
    attributes: ['poolhouse.pool', 'poolhouse.failover.outcome'],
    bounds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  holdDuration: {
    name: 'poolhouse.hold.duration',
    instrument: 'histogram',
    unit: 's',
    description: 'Time for which a call was held because there was no primary.',
    attributes: ['poolhouse.pool', 'error.type'],
    bounds: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  inDoubt: {
    name: 'poolhouse.calls.in_doubt',
    instrument: 'counter',
    unit: '{call}',
    description: 'Calls that were sent and got no answer, so that they may have been executed.',
    attributes: ['poolhouse.pool', 'poolhouse.node'],
  },
  retried: {
    name: 'poolhouse.calls.retried',
    instrument: 'counter',
    unit: '{call}',
    description: 'Calls that were sent to a primary again after a failure.',
    attributes: ['poolhouse.pool'],
  },
  ejections: {
    name: 'poolhouse.replica.ejections',
    instrument: 'counter',
    unit: '{ejection}',
    description: 'Replicas that were taken out of the rotation after failures.',
    attributes: ['poolhouse.pool', 'poolhouse.node'],
  },
  leaks: {
    name: 'poolhouse.connection.leaks',
    instrument: 'observed counter',
    unit: '{connection}',
    description: 'Connections that were held longer than `leakWarningMs`, or forgotten.',
    attributes: [POOL],
  },
  budgetUsed: {
    name: 'poolhouse.budget.used',
    instrument: 'observed gauge',
    unit: '{connection}',
    description: 'Connections of a manager to a server.',
    attributes: ['poolhouse.server'],
  },
  budgetLimit: {
    name: 'poolhouse.budget.limit',
    instrument: 'observed gauge',
    unit: '{connection}',
    description: 'Most connections of a manager to a server.',
    attributes: ['poolhouse.server'],
  },
  tenantPools: {
    name: 'poolhouse.tenant.pools',
    instrument: 'observed gauge',
    unit: '{tenant}',
    description: 'Tenants of a manager that have pools.',
    attributes: [],
  },
  tenantEvictions: {
    name: 'poolhouse.tenant.evictions',
    instrument: 'observed counter',
    unit: '{tenant}',
    description: 'Tenants whose pools were closed because they were unused, or too many.',
    attributes: [],
  },
}

/** What is known of one metric. */
export function metric(key: MetricKey): MetricInfo {
  return TABLE[key]
}

/** Every metric that `instrument` records: what the documentation is made of. */
export const METRICS: readonly MetricInfo[] = Object.values(TABLE)
