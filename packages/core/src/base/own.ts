/**
 * An object as its own class may write it. Its fields are read-only to all others, which needs no
 * getter for each.
 */
export function own<T>(owner: T): { -readonly [Field in keyof T]: T[Field] } {
  return owner
}
