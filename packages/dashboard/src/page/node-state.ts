/** How the state of a node is shown: by a sign, a colour and a word, never by colour alone. */
export interface NodeLook {
  /** A character that reads at a glance. */
  readonly sign: string
  /** The class that colours it. */
  readonly tone: 'primary' | 'replica' | 'trouble' | 'warning' | 'plain'
}

/** Returns how a state is shown. Undefined is a node whose state no pool watches. */
export function lookOf(state: string | undefined): NodeLook {
  switch (state) {
    case 'primary':
      return { sign: '★', tone: 'primary' }
    case 'replica':
      return { sign: '●', tone: 'replica' }
    case 'unreachable':
      return { sign: '✕', tone: 'trouble' }
    case 'fenced':
    case 'foreign':
    case 'diverged':
      return { sign: '⊘', tone: 'trouble' }
    case 'primary-read-only':
    case 'starting':
    case 'draining':
      return { sign: '◐', tone: 'warning' }
    default:
      return { sign: '○', tone: 'plain' }
  }
}
