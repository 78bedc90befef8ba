/** A package whose code keeps some of the guarantees. */
export interface Guarded {
  /** Of the package, from the root of the repository. */
  readonly folder: string
  /** Files and folders that are mutated, from the sources of the package. */
  readonly sources: readonly string[]
  /** Those that remember what they once found out, so that each mutant needs new modules. */
  readonly remembering?: readonly string[]
}

/** What is mutated: the owners of the guarantees, and nothing else. */
export const GUARDED: readonly Guarded[] = [
  {
    folder: 'packages/core',
    sources: [
      'engine',
      'identity/cluster-history.ts',
      'outcome',
      'slot',
      'sql',
      'statement/session-work.ts',
      'transaction',
    ],
    remembering: ['sql'],
  },
  { folder: 'packages/failover', sources: ['calls', 'judge'] },
  {
    folder: 'packages/read-replicas',
    sources: ['position', 'route', 'session'],
    remembering: ['position/session-token.ts'],
  },
  { folder: 'packages/manager', sources: ['budget', 'tenants'] },
]
