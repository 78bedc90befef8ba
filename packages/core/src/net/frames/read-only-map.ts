function refuse(): never {
  throw new TypeError('this map is shared and cannot be changed')
}

const REFUSING: PropertyDescriptorMap = {
  set: { value: refuse },
  delete: { value: refuse },
  clear: { value: refuse },
}

/**
 * Makes a map one that can only be read, also by who takes it for a `Map`: its methods that change
 * it throw `TypeError`. Returns it.
 */
export function readOnlyMap<K, V>(map: Map<K, V>): ReadonlyMap<K, V> {
  return Object.freeze(Object.defineProperties(map, REFUSING)) as ReadonlyMap<K, V>
}
