export { encodeValues, type WireValue } from './encode-values.js'
export type { TypeParser } from './type-parser.js'
export { type TypeParsers, type TypesOption, typeParsers } from './type-parsers.js'
