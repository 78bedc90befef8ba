/**
 * Thrown by what cannot be measured in this build, such as a method that an earlier commit does not
 * have: it is left out, and the report says why.
 */
export class LeftOut extends Error {
  override readonly name = 'LeftOut'
}

/** What a sample's process prints in its place. */
export interface LeftOutNote {
  /** Why it is left out. */
  readonly leftOut: string
}

/** The note of a `LeftOut`; throws every other error again. */
export function leftOutNote(error: unknown): LeftOutNote {
  if (error instanceof LeftOut) return { leftOut: error.message }
  throw error
}
