import { createServer } from 'node:http'
import { isPoolhouseError } from '@poolhouse/core'

/** Answers `POST /` with what the function makes of the event, as a provider's runtime does. */
export function serve(handler: (event: { id: number; item: string }) => Promise<unknown>): void {
  const server = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json')
    try {
      let text = ''
      for await (const piece of request.setEncoding('utf8')) text += piece
      response.end(JSON.stringify(await handler(JSON.parse(text))))
    } catch (error) {
      const { message } = error as Error
      const executed = isPoolhouseError(error) ? error.executed : undefined
      response.writeHead(500).end(JSON.stringify({ message, executed }))
    }
  })
  server.listen(Number(process.env['PORT']), '127.0.0.1')
  process.once('SIGTERM', () => server.close())
}
