// Operators of PostgreSQL 14 and all later ones, `!=` included, which is read as `<>`.
const SERVER =
  '!! != !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <= <> <@ <^ = > ' +
  '>= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~*'

/** The server's own operators. */
export const SERVER_OPERATORS: ReadonlySet<string> = new Set(SERVER.split(' '))

/**
 * Whether the operator is PostgreSQL's own and harmless by its name. The distance `<->` is not: it
 * is that of points, and far more often that of an extension for vectors, places or words, which
 * searches for long.
 */
export function isSharedOperator(operator: string): boolean {
  return operator !== '<->' && SERVER_OPERATORS.has(operator)
}
