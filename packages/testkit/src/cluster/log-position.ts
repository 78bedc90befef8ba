/** Reads a WAL position (`0/1B81C18`) as a number that can be compared. Null and empty are zero. */
export function parseLogPosition(text: string | null | undefined): bigint {
  if (!text) return 0n
  const [high, low] = text.split('/')
  if (!high || !low) throw new TypeError(`not a WAL position: ${text}`)
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}
