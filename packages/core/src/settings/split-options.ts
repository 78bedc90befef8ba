/** What `options` says: run-time parameters, and words that are for a vendor's proxy. */
export interface SplitOptions {
  /** From `-c name=value` and `--name=value`. */
  readonly parameters: Record<string, string>
  /** Words for a proxy, as they stand: `endpoint=ep-1`. Undefined if there are none. */
  readonly routing: string | undefined
}

// Neon's proxy takes `endpoint` and `project` out of the options, Supabase's takes `reference`.
const ROUTING = /^(?:endpoint|project|reference)=[\w.-]+$/

/** Whether a word of `options` is for a vendor's proxy. */
export function isRouting(word: string): boolean {
  return ROUTING.test(word)
}

/**
 * Takes `options` apart as the server does (`pg_split_opts` of postinit.c): words between white
 * space, where a backslash makes the character after it an ordinary one. Calls `fail` for anything
 * but run-time parameters and words for a proxy.
 */
export function splitOptions(text: string, fail: () => never): SplitOptions {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>
  const routing: string[] = []
  const words = split(text)
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (isRouting(word)) {
      routing.push(word)
      continue
    }
    const setting =
      word === '-c'
        ? (words[++index] ?? '')
        : word.startsWith('-c') || word.startsWith('--')
          ? word.slice(2)
          : ''
    const equals = setting.indexOf('=')
    if (equals < 1) return fail()
    parameters[setting.slice(0, equals).replaceAll('-', '_')] = setting.slice(equals + 1)
  }
  return { parameters, routing: routing.length === 0 ? undefined : routing.join(' ') }
}

function split(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; at++) {
    let character = text[at]!
    if (character === ' ' || (character >= '\t' && character <= '\r')) {
      if (word !== undefined) words.push(word)
      word = undefined
      continue
    }
    if (character === '\\' && at + 1 < text.length) character = text[++at]!
    word = (word ?? '') + character
  }
  if (word !== undefined) words.push(word)
  return words
}
