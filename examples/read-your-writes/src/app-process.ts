import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Request } from './messages.js'

/** A process of the application, asked one thing at a time. */
export class AppProcess implements AsyncDisposable {
  readonly #process: ChildProcess

  /** Starts it on these servers, of which the first is the primary. */
  constructor(urls: readonly string[]) {
    this.#process = fork(fileURLToPath(new URL('app.ts', import.meta.url)), urls)
  }

  /** Its process id. */
  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Resolves with its answer; rejects if it ends without one. */
  ask<Kind extends Answer['kind']>(request: Request): Promise<Extract<Answer, { kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: Extract<Answer, { kind: Kind }>): void => {
        this.#process.off('exit', onExit)
        resolve(answer)
      }
      const onExit = (code: number | null): void => {
        this.#process.off('message', onMessage)
        reject(new Error(`the process ended with ${code}`))
      }
      this.#process.once('message', onMessage)
      this.#process.once('exit', onExit)
      this.#process.send(request)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.disconnect()
    await ended
  }
}
