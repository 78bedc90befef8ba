import type { Statement } from '../api/statement.js'
import type { OccupantKind } from '../slot/occupant.js'

/**
 * What a server says of one of its processes: that there is none of that number, that it waits for
 * its client and since when it has been in that state, or neither: it is at work, or the role may
 * not see what it does. `received` is how many bytes of a COPY … FROM STDIN have arrived; undefined
 * if the process runs none, was not asked for it, or may not be seen by the role.
 */
export type BackendSighting = { readonly is: 'gone' } | WaitingBackend | { readonly is: 'unclear' }

interface WaitingBackend {
  readonly is: 'waiting'
  readonly as: string
  readonly since: string
  readonly received?: string | undefined
}

const UNCLEAR: BackendSighting = Object.freeze({ is: 'unclear' })
const GONE: BackendSighting = Object.freeze({ is: 'gone' })

/**
 * Asks for some processes by number, one row for each. In the simple protocol and outside a
 * transaction, so that each question is answered anew. By schema, because a `search_path` of the
 * role may name other tables and operators first. `uploads` asks for the bytes that each COPY has
 * received too, as `pg_stat_progress_copy` of PostgreSQL 14 and newer tells them.
 */
export function backendQuestion(pids: readonly number[], uploads: boolean): Statement {
  const received = uploads ? ', c.bytes_processed::pg_catalog.text' : ''
  const progress = uploads
    ? ' left join pg_catalog.pg_stat_progress_copy as c on c.pid OPERATOR(pg_catalog.=) p.pid ' +
      "and c.command OPERATOR(pg_catalog.=) 'COPY FROM' and c.type OPERATOR(pg_catalog.=) 'PIPE'"
    : ''
  return {
    text:
      `select p.pid, a.pid, a.state, a.state_change::pg_catalog.text, a.wait_event_type, a.wait_event${received} ` +
      `from pg_catalog.unnest('{${pids.map(Number).join(',')}}'::pg_catalog.int4[]) as p(pid) ` +
      `left join pg_catalog.pg_stat_activity as a on a.pid OPERATOR(pg_catalog.=) p.pid${progress}`,
    rowMode: 'array',
  }
}

/** Reads the answer, by process. The pool's `types` may have made anything of its values. */
export function readBackends(rows: readonly unknown[]): ReadonlyMap<number, BackendSighting> {
  return new Map(
    rows.map((row) => {
      const [asked, found, ...words] = row as unknown[]
      return [Number(String(asked)), found === null ? GONE : sightingOf(words)] as const
    }),
  )
}

function sightingOf(words: readonly unknown[]): BackendSighting {
  const [state, since, waitType, waitEvent, received] = words.map((word) => String(word ?? ''))
  if (!since) return UNCLEAR
  // "idle", "idle in transaction", "idle in transaction (aborted)".
  if (state!.startsWith('idle')) return { is: 'waiting', as: state!, since }
  // Between two fetches a portal is open and the process counts as active; so it does while its
  // rows do not get through.
  const waits = state === 'active' && waitType === 'Client'
  if (!waits || (waitEvent !== 'ClientRead' && waitEvent !== 'ClientWrite')) return UNCLEAR
  return { is: 'waiting', as: waitEvent, since, received: received || undefined }
}

/**
 * Whether two answers, some time apart, prove that a process does nothing for the client that waits
 * for it. Returns how, for the middle of a sentence, or undefined. For `copyFrom` a process that
 * waits for data is lost only if none has arrived between the answers: the time apart must be more
 * than a message takes over a slow line.
 */
export function reasonLost(
  first: BackendSighting | undefined,
  second: BackendSighting | undefined,
  work: OccupantKind | undefined,
): string | undefined {
  if (!mayBeLost(first, work) || !mayBeLost(second, work)) return undefined
  if (second!.is === 'gone') return 'is gone'
  if (first!.is !== 'waiting' || second!.is !== 'waiting') return undefined
  const { as, since, received } = second!
  if (first!.as !== as || first!.since !== since || first!.received !== received) return undefined
  const at = received === undefined ? '' : `, at byte ${received} of its data,`
  return `waits for its client (${as})${at} and has not moved`
}

/** Whether one answer is reason to ask for another one. */
export function mayBeLost(
  sighting: BackendSighting | undefined,
  work: OccupantKind | undefined,
): boolean {
  if (sighting === undefined || sighting.is === 'unclear') return false
  return !awaitsData(sighting, work) || sighting.received !== undefined
}

/** Whether a process waits for the data of a `copyFrom`, which may be on its way. */
export function awaitsData(
  sighting: BackendSighting | undefined,
  work: OccupantKind | undefined,
): sighting is WaitingBackend {
  return work === 'copyFrom' && sighting?.is === 'waiting' && sighting.as === 'ClientRead'
}
