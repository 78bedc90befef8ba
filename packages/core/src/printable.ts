// Control characters, line separators, and what turns the direction of a text round.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu

/**
 * A text that may hold the words of a stranger, such as a server that has not proved itself yet, with every control character
 * escaped as in JSON. Otherwise they could forge a line of a log or drive the terminal on which it is read.
 */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
