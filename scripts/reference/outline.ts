/** The sources of every entry point that users import. */
export const ENTRY_POINTS: Readonly<Record<string, string>> = {
  '@poolhouse/core': 'packages/core/src/index.ts',
  '@poolhouse/node-postgres': 'packages/node-postgres/src/index.ts',
  '@poolhouse/node-postgres/compat': 'packages/node-postgres/src/compat/index.ts',
  '@poolhouse/postgres-js/compat': 'packages/postgres-js/src/compat/index.ts',
  '@poolhouse/postgres-js': 'packages/postgres-js/src/index.ts',
  '@poolhouse/failover': 'packages/failover/src/index.ts',
  '@poolhouse/read-replicas': 'packages/read-replicas/src/index.ts',
  '@poolhouse/read-replicas/parser': 'packages/read-replicas/src/parser.ts',
  '@poolhouse/manager': 'packages/manager/src/index.ts',
  '@poolhouse/dashboard': 'packages/dashboard/src/index.ts',
  '@poolhouse/otel': 'packages/otel/src/index.ts',
  '@poolhouse/cli': 'packages/cli/src/index.ts',
  '@poolhouse/testkit': 'packages/testkit/src/index.ts',
  '@poolhouse/testkit/conformance': 'packages/testkit/src/conformance/index.ts',
  '@poolhouse/core/kit': 'packages/core/src/kit.ts',
  '@poolhouse/core/testing': 'packages/core/src/testing/index.ts',
  '@poolhouse/core/types': 'packages/core/src/types/index.ts',
  '@poolhouse/core/net': 'packages/core/src/net/index.ts',
  '@poolhouse/core/sql': 'packages/core/src/sql/index.ts',
}

/** A chapter: a function with its options, or what one gets. */
export interface Chapter {
  readonly title: string
  /** The entry point whose exports it is about, where another one has exports of the same name. */
  readonly from?: string
  /** The functions that it begins with. */
  readonly functions?: readonly string[]
  /** Types whose members are options: tables with type and default. */
  readonly options?: readonly string[]
  /** Types whose members change what there is, so that defaults have no meaning. */
  readonly changes?: readonly string[]
  /** Types whose members are read and called: tables of members. */
  readonly members?: readonly string[]
  /** Unions of words whose doc comment says what each word means. */
  readonly words?: readonly string[]
}

/**
 * What comes in which order. Whatever is exported and not named here is listed by name at the end.
 */
export const POOLS: readonly Chapter[] = [
  {
    title: 'Making a pool',
    functions: ['createPool'],
    options: [
      'PoolOptions',
      'PrepareOptions',
      'PoolWatchdogOptions',
      'ConnectionOptions',
      'SslOptions',
      'OverloadOptions',
      'MultiplexOptions',
    ],
  },
  {
    title: 'Drivers',
    functions: ['nodePostgres', 'postgresJs'],
    options: ['NodePostgresOptions', 'PostgresJsOptions'],
  },
  {
    title: 'For libraries that take a pg.Pool',
    functions: ['createPgPool'],
    options: ['CreatePgPoolOptions', 'PgPoolOptions'],
  },
  {
    title: 'For libraries that take the sql of postgres.js',
    functions: ['createRoutedSql'],
    options: ['RoutedSqlOptions', 'RoutedReads'],
    members: ['RoutedSql'],
  },
  {
    title: 'Pools and calls',
    members: ['Pool', 'ConnectionPool', 'Queryable', 'Batchable', 'Streamable', 'PoolEventEmitter'],
    options: [
      'Statement',
      'QueryOptions',
      'BatchOptions',
      'AcquireOptions',
      'TransactionOptions',
      'TransactionRetry',
      'StreamOptions',
      'CopyOptions',
      'CopyToOptions',
      'ListenOptions',
      'CloseOptions',
      'SessionOptions',
    ],
    changes: ['ReconfigureOptions', 'ResizeOptions'],
  },
  {
    title: 'What calls give',
    members: [
      'QueryResult',
      'FieldInfo',
      'Lease',
      'Transaction',
      'StreamIterator',
      'CopyResult',
      'Subscription',
      'Gap',
      'Session',
      'ConnectionInfo',
    ],
    words: ['Durability'],
  },
  {
    title: 'Idempotency keys',
    functions: ['createMarkerTable', 'cleanMarkers'],
    options: ['CleanMarkersOptions'],
  },
  {
    title: 'Failover',
    functions: ['withFailover'],
    options: [
      'FailoverOptions',
      'ProbeOptions',
      'WatchdogOptions',
      'HoldOptions',
      'SwitchoverOptions',
      'DrainOptions',
    ],
    members: ['FailoverPool'],
  },
  {
    title: 'Discovery of nodes',
    functions: ['patroni', 'pgAutoFailover', 'dns', 'hosts'],
    options: [
      'DiscoveredNodes',
      'PatroniOptions',
      'PgAutoFailoverOptions',
      'DnsOptions',
      'HttpTls',
    ],
    members: [
      'Discovery',
      'DiscoveryContext',
      'DiscoveryAnswer',
      'DiscoveredNode',
      'DnsNode',
      'HostNode',
      'DnsResolver',
    ],
  },
  {
    title: 'A page of pools',
    functions: ['createDashboard'],
    options: ['DashboardOptions'],
    members: ['Dashboard'],
  },
  {
    title: 'Metrics, spans and logs',
    functions: ['instrument', 'metricProducer', 'metricsHandler', 'logEvents'],
    options: [
      'InstrumentOptions',
      'SqlCommenterOptions',
      'MetricProducerOptions',
      'MetricsHandlerOptions',
      'LogEventsOptions',
    ],
    members: ['Instrumentation', 'MetricInfo', 'SpanInfo'],
  },
  {
    title: 'Who is primary',
    functions: ['staticTopology'],
    options: ['StaticTopologyOptions'],
    members: ['Topology', 'TopologySnapshot', 'TopologyNode', 'NodeLag'],
  },
  {
    title: 'Read replicas',
    functions: ['withReplicas', 'lexerClassifier', 'parserClassifier'],
    options: [
      'ReplicasOptions',
      'ReaderOptions',
      'ReplicaSessionOptions',
      'RunWithOptions',
      'RequestOptions',
      'ClassifierOptions',
    ],
    members: [
      'ReplicaPool',
      'RouteExplanation',
      'RouteCandidate',
      'ReplicaCandidate',
      'StatementClassifier',
      'OwnNames',
      'Classification',
      'DecidingToken',
    ],
  },
  {
    title: 'Many databases',
    functions: ['createManager'],
    options: [
      'ManagerOptions',
      'DatabaseOptions',
      'BudgetOptions',
      'ReadyOptions',
      'StatsOptions',
      'ShutdownOptions',
    ],
    members: [
      'Manager',
      'NamedDatabase',
      'DatabasePool',
      'ManagerStats',
      'BudgetStats',
      'ManagerHealth',
      'DatabaseHealth',
    ],
  },
  {
    title: 'Tenants',
    options: ['TenantOptions', 'TenantTarget', 'TenantLimits'],
  },
  {
    title: 'Configuration',
    functions: ['loadConfig', 'configJsonSchema'],
    options: ['LoadConfigOptions', 'EnvironmentOptions', 'FileConfig'],
    members: ['LoadedConfig', 'ConfigEntry'],
  },
  {
    title: 'Health and shutdown',
    functions: ['createHealthHandlers', 'shutdownOnSignals', 'singleton'],
    options: ['HealthHandlerOptions', 'SignalOptions', 'SingletonOptions'],
    members: ['HealthHandlers', 'HealthHandler', 'HealthAnswer'],
  },
  {
    title: 'The command line from code',
    functions: ['diagnose', 'runCli'],
    options: ['DiagnoseOptions', 'CliIo'],
    members: ['Diagnosis', 'Finding', 'DiagnosedServer'],
    words: ['Severity', 'CheckName'],
  },
  {
    title: 'A budget of your own',
    members: ['ConnectionBudget', 'BudgetSeat', 'BudgetedPool'],
  },
]

/** The statistics. */
export const STATISTICS: Chapter = {
  title: 'Statistics',
  members: ['PoolStats', 'PoolCounters', 'Percentiles', 'PoolSnapshot', 'LeaseSnapshot'],
}

/** What goes with errors beside their classes. */
export const DOUBT: Chapter = {
  title: 'In doubt',
  words: ['TransactionOutcome'],
  options: ['ResolveOptions'],
  members: ['TransactionIdentity'],
}

/** The kit for tests. */
export const TESTKIT: readonly Chapter[] = [
  {
    title: 'Clusters',
    functions: ['startCluster', 'shareServerFiles'],
    options: ['ClusterOptions', 'PromoteOptions'],
    members: ['Cluster', 'ClusterNode'],
  },
  {
    title: 'Fault proxy',
    functions: ['startFaultProxy'],
    options: ['DelayOptions', 'DropOptions', 'DropAnswersOptions'],
    members: ['FaultProxy', 'ProxiedStatement'],
  },
  {
    title: 'Poolers',
    functions: ['startPgBouncer', 'startPgpool', 'startHaproxy'],
    options: [
      'PgBouncerOptions',
      'StartPgpoolOptions',
      'HaproxyOptions',
      'HaproxyHealth',
      'PrometheusOptions',
    ],
    members: ['PgBouncer', 'Pgpool', 'Haproxy'],
  },
  {
    title: 'Patroni clusters',
    from: '@poolhouse/testkit',
    functions: ['startPatroni'],
    options: ['PatroniOptions'],
    members: ['PatroniCluster', 'PatroniNode', 'ManagedCluster', 'ManagedNode'],
  },
  {
    title: 'Clusters under other managers',
    functions: ['startPgAutoFailover', 'startRepmgr'],
    options: ['PgAutoFailoverClusterOptions', 'RepmgrOptions'],
    members: ['PgAutoFailoverCluster', 'PgAutoFailoverNode', 'RepmgrCluster', 'RepmgrNode'],
  },
  {
    title: 'Programs of Debian packages',
    functions: ['debianPackage'],
    options: ['DebianPackageOptions'],
    members: ['DebianProgram'],
  },
  {
    title: 'Wire server',
    functions: ['startWireServer'],
    options: ['WireScript'],
    members: ['WireServer', 'WireStatement', 'WireSession'],
  },
  {
    title: 'Histories',
    functions: ['historyTable', 'startWorkload', 'verifyHistory'],
    options: ['WorkloadOptions', 'VerifyOptions'],
    members: ['Workload', 'HistoryReport', 'Violation', 'Operation'],
    words: ['ViolationKind'],
  },
  {
    title: 'Conformance suites',
    functions: [
      'describeDriver',
      'describePool',
      'driverCases',
      'poolCases',
      'runDriverCase',
      'runPoolCase',
      'startServerUnderTest',
    ],
    options: ['DescribeDriverOptions', 'SuiteOptions', 'Selection'],
    members: ['ServerUnderTest'],
  },
]
