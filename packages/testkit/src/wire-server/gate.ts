/** Holds everything back while it is shut: the server is frozen, the kernel under it is not. */
export class Gate {
  #opened: Promise<void> | undefined
  #open: (() => void) | undefined

  get shut(): boolean {
    return this.#opened !== undefined
  }

  /** Shuts the gate. */
  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve
    })
  }

  /** Opens the gate: all that wait go on. */
  open(): void {
    this.#open?.()
    this.#opened = undefined
    this.#open = undefined
  }

  /** Resolves once the gate is open. */
  async pass(): Promise<void> {
    while (this.shut) await this.#opened
  }
}
