const BACKSLASH = 92
const LETTER_X = 120
const ZERO = 48

/**
 * Makes bytes of a `bytea` in either form the server writes, `\xDEADBEEF` and, with
 * `bytea_output = escape`, `\336\255\276\357`. What is neither stays the text.
 */
export function parseBytea(text: string): Buffer | string {
  // The escape form never begins so: it writes a backslash as two.
  if (text.charCodeAt(0) === BACKSLASH && text.charCodeAt(1) === LETTER_X) {
    const bytes = Buffer.from(text.slice(2), 'hex')
    return bytes.length * 2 === text.length - 2 ? bytes : text
  }
  return parseEscaped(text)
}

function parseEscaped(text: string): Buffer | string {
  const bytes = Buffer.allocUnsafe(text.length)
  let length = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127) return text
    if (code !== BACKSLASH) {
      bytes[length++] = code
    } else if (text.charCodeAt(index + 1) === BACKSLASH) {
      bytes[length++] = BACKSLASH
      index += 1
    } else {
      const high = text.charCodeAt(index + 1) - ZERO
      const middle = text.charCodeAt(index + 2) - ZERO
      const low = text.charCodeAt(index + 3) - ZERO
      const octal = high >= 0 && high < 4 && middle >= 0 && middle < 8 && low >= 0 && low < 8
      if (!octal) return text
      bytes[length++] = high * 64 + middle * 8 + low
      index += 3
    }
  }
  return bytes.subarray(0, length)
}
