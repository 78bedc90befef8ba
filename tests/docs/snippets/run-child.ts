// Runs the blocks of the documentation that the file in the first argument lists, one after the
// other, and reports each to the parent process.
import { readFileSync } from 'node:fs'

const LIMIT_MS = 20_000

const blocks = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as readonly {
  readonly file: string
  readonly where: string
}[]

let fail: (error: unknown) => void = () => {}
process.on('uncaughtException', (error) => fail(error))
process.on('unhandledRejection', (error) => fail(error))

for (const { file, where } of blocks) {
  let timer: NodeJS.Timeout | undefined
  const failure = new Promise<never>((_resolve, reject) => {
    fail = reject
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  const error = await Promise.race([import(file), failure]).then(
    () => undefined,
    (reason: unknown) => (reason instanceof Error ? (reason.stack ?? reason.message) : `${reason}`),
  )
  clearTimeout(timer)
  process.send!({ where, error })
}
process.exit()
