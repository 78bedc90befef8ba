/**
 * Reads an array as `array_in` of the server does, by recursive descent: elements are their texts,
 * NULL is null. Throws for what the server would refuse. Written apart from the parser of the
 * package, to judge what the package writes.
 */
export function readArrayLiteral(literal: string): unknown[] {
  const chars = [...literal]
  let position = 0
  const next = (): string => {
    const char = chars[position++]
    if (char === undefined) throw new Error('it ends too early')
    return char
  }
  const readQuoted = (): string => {
    let element = ''
    for (let char = next(); char !== '"'; char = next()) element += char === '\\' ? next() : char
    return element
  }
  const readPlain = (first: string): string | null => {
    let element = first
    while (chars[position] !== ',' && chars[position] !== '}') {
      const char = next()
      if ('"\\{'.includes(char)) throw new Error(`${char} must be quoted`)
      element += char
    }
    if (element.trim() !== element || element === '') throw new Error('it must be quoted')
    return element.toUpperCase() === 'NULL' ? null : element
  }
  const readArray = (): unknown[] => {
    const elements: unknown[] = []
    if (chars[position] === '}') {
      position += 1
      return elements
    }
    for (;;) {
      const first = next()
      if (first === '{') elements.push(readArray())
      else elements.push(first === '"' ? readQuoted() : readPlain(first))
      const separator = next()
      if (separator === '}') return elements
      if (separator !== ',') throw new Error(`${separator} behind an element`)
    }
  }
  if (next() !== '{') throw new Error('it does not begin with a brace')
  const array = readArray()
  if (position !== chars.length) throw new Error('something follows it')
  return array
}
