import { connect, createServer, type Server, type Socket } from 'node:net'

/** A line to a server in which a router can lose its memory, as after the idle time of a NAT. */
export class ForgetfulLine implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** Opens a line to this port of 127.0.0.1. */
  static async open(port: number): Promise<ForgetfulLine> {
    const server = createServer()
    const line = new ForgetfulLine(server)
    server.on('connection', (client) => line.#join(client, connect(port, '127.0.0.1')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return line
  }

  /** Where it begins. */
  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Nothing passes on the connections there are, and neither side is told; new ones are as good as ever. */
  forget(): void {
    for (const [client, target] of this.#pairs) {
      client.unpipe(target)
      target.unpipe(client)
      client.resume()
      target.resume()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket, target: Socket): void {
    const pair = [client, target] as const
    this.#pairs.add(pair)
    client.pipe(target)
    target.pipe(client)
    // Whatever ends them is told by the driver under test.
    for (const socket of pair) socket.on('error', () => {})
  }
}
