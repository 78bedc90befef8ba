// Operators of more than one character of PostgreSQL 14 to 18.
const SERVER =
  '!! !~ !~* !~~ !~~* ## #- #> #>> && &< &<| &> *< *<= *<> *= *> *>= -> ->> -|- <-> << <<= <<| <= <> != <@ <^ >= >> >>= >^ ?# ?& ?- ?-| ?| ' +
  '?|| @-@ @> @? @@ @@@ ^@ |&> |/ |>> || ||/ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~*'
// Of extensions that only compare: pg_trgm, hstore, ltree, cube, pgvector, PostGIS, rum.
const EXTENSIONS =
  '<% %> <<% %>> <<-> <->> <<<-> <->>> %% %# #= ^~ ^? ^@> ^<@ ?@> ?<@ ?~ ?@ ~> <=> <#> <+> <~> <%> &&& <<#>> <<->> |=| &/& ~~= <=| |=>'

const KNOWN: ReadonlySet<string> = new Set(`${SERVER} ${EXTENSIONS}`.split(' '))

/**
 * Whether the operator is known to be harmless by its name. Any other one may call a function of
 * the user.
 */
export function isKnownOperator(operator: string): boolean {
  return operator.length === 1 ? operator !== '`' : KNOWN.has(operator)
}
