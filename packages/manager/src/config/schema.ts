import { ConfigError } from '@poolhouse/core'
import { describeName, describeText, looksSecret, MAX_MS, nearestName } from '@poolhouse/core/kit'
import { z } from 'zod'

/** An object that refuses unknown keys, with the nearest known one in the message. */
function strict<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue, shape) : undefined),
  })
}

function unknownKeys(issue: { keys?: unknown }, shape: z.ZodRawShape): string {
  const known = Object.keys(shape)
  return (issue.keys as string[])
    .map((key) => {
      const near = nearestName(key, known)
      return `unknown key ${describeName(key)}${near === undefined ? `; known: ${known.join(', ')}` : `; did you mean "${near}"?`}`
    })
    .join('; ')
}

const text = z.string().min(1)
const ms = z.number().min(1).max(MAX_MS)
const msOrNever = z.number().min(0).max(MAX_MS)
const count = z.number().int().min(1)
/** A number that may be `Infinity`, which only code can write, not JSON. */
const amount = (minimum: number): z.ZodType<number> =>
  z
    .custom<number>(
      (value) => typeof value === 'number' && value >= minimum,
      `must be a number of at least ${minimum}`,
    )
    .meta({ type: 'number', minimum })
const callable = z.custom<(...values: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
)
const some = <T>(method: keyof T & string, what: string): z.ZodType<T> =>
  z.custom<T>(
    (value) =>
      typeof (value as Record<string, unknown> | null | undefined)?.[method] === 'function',
    `must be ${what}`,
  )

const pem = z.union([text, z.instanceof(Uint8Array)])

const ssl = z.union([
  z.literal(false),
  strict({
    mode: z.enum(['disable', 'prefer', 'require', 'verify-ca', 'verify-full']).optional(),
    ca: pem.optional(),
    cert: pem.optional(),
    key: pem.optional(),
    passphrase: text.optional(),
    serverName: text.optional(),
    negotiation: z.enum(['postgres', 'direct']).optional(),
    crl: pem.optional(),
    sni: z.boolean().optional(),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
    maxVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
  }),
])

const connectionObject = strict({
  host: text.optional(),
  hostaddr: text.optional(),
  port: z.number().int().min(1).max(65535).optional(),
  user: text.optional(),
  password: z.union([z.string(), callable]).optional(),
  database: text.optional(),
  applicationName: text.optional(),
  ssl: ssl.optional(),
  channelBinding: z.enum(['disable', 'prefer', 'require']).optional(),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  routing: text.optional(),
})
const connection = z.union([text, connectionObject])

const pool = strict({
  max: count.max(10_000).optional(),
  min: z.number().int().min(0).max(10_000).optional(),
  acquireTimeoutMs: ms.optional(),
  failFast: z.boolean().optional(),
  connectTimeoutMs: ms.optional(),
  statementTimeoutMs: msOrNever.optional(),
  idleTimeoutMs: msOrNever.optional(),
  maxLifetimeMs: msOrNever.optional(),
  maxUses: count.optional(),
  maxPending: amount(1).optional(),
  leakWarningMs: msOrNever.optional(),
  validateAfterIdleMs: msOrNever.optional(),
  prepare: z.union([z.enum(['auto', 'off']), strict({ maxAgeMs: msOrNever })]).optional(),
  pooler: z.enum(['pgbouncer', 'none']).optional(),
  types: z.record(z.string(), callable).optional(),
  errorDetail: z.enum(['keep', 'drop']).optional(),
  reset: z.enum(['auto', 'always']).optional(),
  requireAuth: z
    .array(z.enum(['none', 'password', 'md5', 'scram-sha-256']))
    .min(1)
    .optional(),
  overload: z.union([z.literal(false), strict({ targetMs: ms, intervalMs: ms })]).optional(),
  watchdog: z
    .union([z.literal(false), strict({ silenceMs: ms.optional(), timeoutMs: ms.optional() })])
    .optional(),
  multiplex: z
    .union(
      [
        z.enum(['auto']),
        z.literal(false),
        strict({
          connections: count.max(10_000).optional(),
          maxInFlight: count.max(10_000).optional(),
        }),
      ],
      { error: "must be 'auto', false or an object such as { connections: 4, maxInFlight: 100 }" },
    )
    .optional(),
}).superRefine(({ max, reset, pooler, multiplex }, context) => {
  const refuse = (message: string, ...path: string[]): void => {
    context.addIssue({ code: 'custom', message, path: ['multiplex', ...path] })
  }
  if (multiplex === undefined || multiplex === false) return
  // As `createPool` does, but now and not at the first call.
  if (reset === 'always') refuse("must be false or left out with reset 'always'")
  if (multiplex === 'auto') return
  if (pooler === 'pgbouncer') refuse("must be 'auto', false or left out with pooler 'pgbouncer'")
  const { connections = 1 } = multiplex
  if (max !== undefined && connections > max)
    refuse(`must not exceed max (${max}), got ${connections}`, 'connections')
})

const failover = strict({
  probe: strict({ intervalMs: ms.optional(), timeoutMs: ms.optional() }).optional(),
  watchdog: z
    .union([
      z.literal(false),
      strict({ silenceMs: ms.optional(), probes: count.optional(), everyMs: ms.optional() }),
    ])
    .optional(),
  hold: z
    .union([z.literal(false), strict({ timeoutMs: ms.optional(), maxCalls: amount(0).optional() })])
    .optional(),
  fence: z.enum(['timeline', 'off']).optional(),
  minimumTimeline: count.optional(),
  retryBudget: amount(0).optional(),
})

const reads = strict({
  strategy: z
    .union([z.enum(['leastBusy', 'roundRobin', 'random', 'weighted']), callable])
    .optional(),
  weights: z.record(z.string(), z.number().min(0)).optional(),
  maxStalenessMs: amount(0).optional(),
  maxStalenessBytes: amount(0).optional(),
  whenStale: z
    .union([
      z.enum(['primary', 'error']),
      strict({ waitMs: msOrNever, otherwise: z.enum(['primary', 'error']).optional() }),
    ])
    .optional(),
  zone: text.optional(),
  maxReadsPerNode: amount(1).optional(),
  slowStartMs: msOrNever.optional(),
  primaryShare: z.number().min(0).max(1).optional(),
  readRetries: z.number().int().min(0).max(100).optional(),
  hedgeAfterMs: ms.optional(),
  waitForTokenMs: msOrNever.optional(),
  tokenSecret: z.union([text, z.array(text).min(1)]).optional(),
  onLostToken: z.enum(['primary', 'error']).optional(),
  classify: z
    .union([z.enum(['conservative', 'optimistic']), some('classify', 'a classifier')])
    .optional(),
})

const database = strict({
  driver: z
    .union([text, some('connect', 'a driver such as nodePostgres(), or its key')])
    .optional(),
  primary: connection.optional(),
  replicas: z.array(connection).optional(),
  nodes: z.union([text, z.array(connection).min(1)]).optional(),
  discover: some('next', 'a discovery such as patroni(…)').optional(),
  connection: connectionObject.optional(),
  pool: pool.optional(),
  failover: failover.optional(),
  reads: reads.optional(),
  weight: z.number().positive().max(1_000_000).optional(),
})

const limits = strict({
  max: count.max(10_000).optional(),
  maxPending: amount(1).optional(),
  weight: z.number().positive().max(1_000_000).optional(),
})

/** The configuration of one database: a URL or options. */
export const DATABASE: z.ZodType = z.union([text, database])

/** `budget`. */
export const BUDGET: z.ZodType = strict({
  perServer: z.union([z.literal('auto'), count]).optional(),
  instances: z.union([z.literal('discover'), count]).optional(),
  servers: z.record(z.string(), count).optional(),
  logInsPerSecond: count.optional(),
})

/** `tenants`. */
export const TENANTS: z.ZodType = strict({
  resolve: callable,
  ttlMs: msOrNever.optional(),
  negativeTtlMs: msOrNever.optional(),
  limits: limits.optional(),
  idleMs: ms.optional(),
  maxPools: count.optional(),
})

/** The answer of `tenants.resolve`. */
export const TARGET: z.ZodType = strict({
  on: text.optional(),
  database: z.string().optional(),
  schema: z
    .union([z.string(), strict({ name: z.string(), also: z.array(z.string()).optional() })])
    .optional(),
  settings: z.record(z.string(), z.string()).optional(),
  user: text.optional(),
  password: z.union([z.string(), callable]).optional(),
  limits: limits.optional(),
})

/** A configuration file. */
export const FILE: z.ZodType = strict({
  $schema: z.string().optional(),
  databases: z.record(z.string(), DATABASE).optional(),
  budget: BUDGET.optional(),
})

/**
 * Checks a value at a path. Throws `ConfigError`, which names each wrong key and never shows a
 * value, because that may be a secret.
 */
export function check(
  where: string,
  schema: z.ZodType,
  value: unknown,
  path: readonly string[] = [],
): void {
  const result = schema.safeParse(value, { reportInput: false })
  if (result.success) return
  const wrong = result.error.issues.flatMap((issue) => tell(issue, path))
  throw new ConfigError(`${where}: ${wrong.join('; ')}`)
}

function tell(issue: z.core.$ZodIssue, path: readonly PropertyKey[]): string[] {
  const full = [...path, ...issue.path]
  if (issue.code === 'invalid_union') {
    // The branch of the value's own type explains the error best.
    const branches = issue.errors.filter(
      (each) => !each.some((one) => one.path.length === 0 && isOtherKind(one)),
    )
    if (branches.length > 0) return branches[0]!.flatMap((each) => tell(each, full))
  }
  // A key may be a misplaced value.
  const at = full.map(shown).join('.')
  return [at === '' ? issue.message : `${at}: ${issue.message}`]
}

function shown(key: PropertyKey): string {
  const text = String(key)
  return looksSecret(text) ? `(${describeText(text)})` : text
}

function isOtherKind({ code }: z.core.$ZodIssue): boolean {
  return code === 'invalid_type' || code === 'invalid_value' || code === 'custom'
}

/**
 * Returns the JSON Schema of a configuration file, for editors: write it beside the file and name
 * it there as `$schema`.
 *
 * @example
 * import { writeFileSync } from 'node:fs'
 *
 * writeFileSync('poolhouse.schema.json', JSON.stringify(configJsonSchema(), null, 2))
 */
export function configJsonSchema(): Record<string, unknown> {
  // What only code can hold (functions, drivers) is left open.
  return {
    title: 'poolhouse.config',
    ...z.toJSONSchema(FILE, { unrepresentable: 'any', io: 'input' }),
  }
}
