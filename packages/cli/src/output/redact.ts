// From the first colon behind the scheme to the last "@" of the word: passwords hold all
// characters.
// Messages show the form of a URL by `user:password@host`.
const IN_URL = /([a-z][\w+-]*:\/\/[^\s:/?#@]*):(?!password@host)\S*@/gi
// `password=…` of a URL or of keywords, where the value may be quoted.
const IN_PAIR = /(pass\w*\s*=\s*)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&'"]+)/gi
// `"password": …` of JSON and of JavaScript.
const IN_OBJECT = /(pass\w*["']?\s*:\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s'",{}[\]]+)/gi

/**
 * Returns the text without the passwords in its URLs and keywords. What the packages say holds
 * none; what an application's configuration file throws may.
 */
export function redact(text: string): string {
  return text
    .replace(IN_URL, '$1:[redacted]@')
    .replace(IN_PAIR, '$1[redacted]')
    .replace(IN_OBJECT, '$1[redacted]')
}
