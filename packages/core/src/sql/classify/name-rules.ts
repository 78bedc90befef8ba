/** Why a statement must not use a name. */
export interface Hazard {
  /** As a clause that follows the name. */
  readonly reason: string
  /** Whether a server would run it without an error, and wrongly. */
  readonly silent: boolean
}

/** What is known of a function or an attribute. */
export interface NameJudgement extends Hazard {
  /** As in a classification. */
  readonly verdict: 'read' | 'unknown' | 'write'
}

/**
 * What the names in a statement mean, as `StatementReader` asks for it. Names are folded as the
 * server does. `Own` is what is known of the database, handed on as it is.
 */
export interface NameRules<Own> {
  /** What is known of a function; `schema` is undefined if the call names none. */
  judge(schema: string | undefined, name: string, own: Own): NameJudgement
  /**
   * What is known of a name after a dot, which is a column or a function of one argument. `schema`
   * is the name before the dot; undefined if that is a value.
   */
  judgeAttribute(schema: string | undefined, name: string, own: Own): NameJudgement
  /** Whether the operator is known to be harmless by its name. */
  isKnownOperator(operator: string): boolean
  /**
   * Why no relation or schema may have this name, which begins with a `p` and has an underscore as
   * its third character; undefined if nothing is known against it.
   */
  hazardOfRelation(name: string): Hazard | undefined
  /** Why no relation that is read from may have this name; undefined as above. */
  hazardOfSource(name: string, own: Own): Hazard | undefined
  /** Why no column may have this name, which has 7 to 12 characters; undefined as above. */
  hazardOfColumn(name: string): Hazard | undefined
}
