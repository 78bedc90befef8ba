export { encodeValues } from './encode-values.js'
export { type TypeParser, type TypeParsers, type TypesOption, typeParsers } from './type-parsers.js'
