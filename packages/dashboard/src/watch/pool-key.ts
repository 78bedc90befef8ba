import type { ObservedPool } from '@poolhouse/core/kit'

/** Tells a pool from all others: a database and a tenant may have one name. */
export function keyOf({ kind, name }: Pick<ObservedPool, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}
