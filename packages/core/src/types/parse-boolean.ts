/** Makes a boolean of the text of one: `t` or `f`. */
export function parseBoolean(text: string): boolean {
  return text === 't'
}
