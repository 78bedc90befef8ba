import type { ServerResponse } from 'node:http'

/** More pages than a team opens. Each one costs the same numbers once more on the network. */
const MOST_PAGES = 100
/** A page that has this much to read yet is ended; its browser asks anew. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024

/** What is told when the first page opens and the last one goes. */
export interface StreamsOwner {
  /** A first page is open. */
  start(): void
  /** No page is open any more. */
  stop(): void
}

/**
 * Owns the open streams of events (Server-Sent Events, as the HTML standard has them): one for each
 * page.
 */
export class EventStreams {
  readonly #owner: StreamsOwner
  readonly #open = new Set<ServerResponse>()

  /** Tells its owner when to begin and when to stop. */
  constructor(owner: StreamsOwner) {
    this.#owner = owner
  }

  /** Pages that are open. */
  get size(): number {
    return this.#open.size
  }

  /** Whether no more pages are taken. */
  get isFull(): boolean {
    return this.#open.size >= MOST_PAGES
  }

  /** Adds a response whose head has been sent. `past` is what its page is told first. */
  add(response: ServerResponse, past: unknown): void {
    // Middleware in front may have taken its time, and the browser may have gone meanwhile.
    if (response.destroyed) return
    response.on('close', () => this.#remove(response))
    // A connection that breaks is no fault of the application.
    response.on('error', () => this.#remove(response))
    response.write(`retry: 1000\n\n${eventText('past', past)}`)
    this.#open.add(response)
    if (this.#open.size === 1) this.#owner.start()
  }

  /** Sends an event to every page. */
  send(name: string, data: unknown): void {
    if (this.#open.size === 0) return
    const text = eventText(name, data)
    for (const response of this.#open) {
      if (response.writableLength > MOST_UNREAD_BYTES) response.destroy()
      else response.write(text)
    }
  }

  /** Ends every stream, so that the server that carries them can close. */
  close(): void {
    for (const response of [...this.#open]) {
      response.end()
      this.#remove(response)
    }
  }

  #remove(response: ServerResponse): void {
    if (this.#open.delete(response) && this.#open.size === 0) this.#owner.stop()
  }
}

/** JSON has no line breaks of its own, so one line of data is enough. */
function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
