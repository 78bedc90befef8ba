import { removeTemporaryDirectory } from './temporary-directory.js'

/** What runs in a temporary directory, and is ended together with it, once. */
export abstract class DirectoryOwner implements AsyncDisposable {
  readonly #directory: string
  #stopped: Promise<void> | undefined

  /** Takes over a directory made by `createTemporaryDirectory`. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Ends everything and removes the directory. May be called more than once. */
  stop(): Promise<void> {
    this.#stopped ??= this.end().then(() => removeTemporaryDirectory(this.#directory))
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Ends what runs in the directory. */
  protected abstract end(): Promise<void>
}
