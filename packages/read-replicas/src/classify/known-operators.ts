import { SERVER_OPERATORS } from '@poolhouse/core/sql'

// Of extensions that only compare: pg_trgm, hstore, ltree, cube, pgvector, PostGIS, rum.
const EXTENSIONS =
  '<% %> <<% %>> <<-> <->> <<<-> <->>> %% %# #= ^~ ^? ^@> ^<@ ?@> ?<@ ?~ ?@ ~> <=> <#> <+> <~> <%> &&& <<#>> <<->> |=| &/& ~~= <=| |=>'

const KNOWN: ReadonlySet<string> = new Set(EXTENSIONS.split(' '))

/**
 * Whether the operator is known to be harmless by its name. Any other one may call a function of
 * the user.
 */
export function isKnownOperator(operator: string): boolean {
  if (operator.length === 1) return operator !== '`'
  return SERVER_OPERATORS.has(operator) || KNOWN.has(operator)
}
