/** Makes a JavaScript value of the text the server sends for a value that is not NULL. */
export type TypeParser = (text: string) => unknown
