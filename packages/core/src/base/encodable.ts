/**
 * Why PostgreSQL cannot be told a text, for the end of a message; undefined if it can. Node.js
 * would send U+FFFD for half of a surrogate pair, and the server reads a text up to its first NUL:
 * both would be another text than the one that was given.
 */
export function whyNotEncodable(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character, which PostgreSQL cannot take'
  if (/\p{Surrogate}/u.test(text)) {
    return 'contains half of a surrogate pair, which is not a character and cannot be sent as UTF-8'
  }
  return undefined
}
