/** The rows that a command tag such as `INSERT 0 5` counts; `null` if it counts nothing. */
export function countOf(tag: string): number | null {
  return endsWithDigit(tag, tag.length) ? Number(tag.slice(tag.lastIndexOf(' ') + 1)) : null
}

/** A command tag without its count. */
export function commandOf(tag: string): string {
  if (!endsWithDigit(tag, tag.length)) return tag
  const space = tag.lastIndexOf(' ')
  // `INSERT 0 5`: the zero was an OID once.
  return tag.slice(0, endsWithDigit(tag, space) ? tag.lastIndexOf(' ', space - 1) : space)
}

function endsWithDigit(text: string, end: number): boolean {
  const code = text.charCodeAt(end - 1)
  return code >= 48 && code <= 57
}
