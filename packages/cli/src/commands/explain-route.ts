import { createPool, type Intent } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import {
  type ClassifyMode,
  lexerClassifier,
  type RouteExplanation,
  type StatementClassifier,
  withReplicas,
} from '@poolhouse/read-replicas'
import { asUsage, type Outcome, UsageError } from '../outcome.js'
import type { CommandContext } from './command.js'

/** Options of `explain-route`. */
export interface ExplainRouteOptions {
  /** How the text is classified: `off` lets only hints and the call itself decide. */
  readonly classify: ClassifyMode | 'off'
  /** What the call itself declares, if it does. */
  readonly intent?: Intent | undefined
}

/**
 * Says where a statement would go, a primary or a replica, and why. Asks no server: all replicas
 * are taken to be healthy and fresh enough, and functions of the database to be those of
 * PostgreSQL.
 */
export async function explainRoute(
  { colors }: CommandContext,
  sql: string,
  { classify, intent }: ExplainRouteOptions,
): Promise<Outcome> {
  if (sql.trim() === '') throw new UsageError('the statement is empty')
  const route = await explain(sql, classify, intent)
  const { target, decidedBy, token } = route
  const reason = reasonOf(route)
  const notes = notesOn(route, classify)
  return {
    exitCode: 0,
    document: { target, reason, decidedBy, token, classify, notes },
    text: [
      `${target === 'replica' ? colors.green(target) : colors.cyan(target)}  ${reason}`,
      ...(token === undefined
        ? []
        : [`${colors.dim('decided by')} ${token.text}${colors.dim(`, at ${token.position + 1}`)}`]),
      ...notes.map((note) => colors.dim(note)),
    ].join('\n'),
  }
}

async function explain(
  sql: string,
  classify: ExplainRouteOptions['classify'],
  intent: Intent | undefined,
): Promise<RouteExplanation> {
  const pool = (name: string) =>
    createPool({ driver: nodePostgres(), connection: { host: name, user: name }, name })
  const db = withReplicas(pool('primary'), [pool('replica')], {
    // Any age will do, so that the text alone decides.
    maxStalenessMs: Number.POSITIVE_INFINITY,
    ...(classify !== 'off' && { classify: textAlone(lexerClassifier({ mode: classify })) }),
  })
  try {
    return asUsage(() => db.explainRoute(sql, intent === undefined ? {} : { intent }))
  } finally {
    await db.close()
  }
}

/** The same classifier for a database that has no functions of its own. */
function textAlone({ mode, classify }: StatementClassifier): StatementClassifier {
  return { mode, classify: (text) => classify(text) }
}

/** Without the part about the replicas, which were not asked. */
function reasonOf({ target, decidedBy, reason }: RouteExplanation): string {
  if (target === 'primary') return reason
  if (decidedBy === 'hint') return 'the comment before it says that it reads'
  return decidedBy === 'call' ? 'the call declares it a read' : reason.split('; ', 1)[0]!
}

function notesOn({ decidedBy }: RouteExplanation, classify: string): string[] {
  if (decidedBy !== 'text') return []
  return [
    `by its text, so only where reads: { classify: '${classify}' } is set; without it, the call must say that it reads: reader(), { intent: 'read' } or a comment /* poolhouse: read */`,
  ]
}
