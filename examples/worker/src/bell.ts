/** Wakes all that wait for the next ring. */
export class Bell {
  #wake: () => void = () => {}
  #next: Promise<void> = this.#fresh()

  /** Resolves with the next ring. */
  next(): Promise<void> {
    return this.#next
  }

  /** Wakes all that wait. */
  ring(): void {
    const wake = this.#wake
    this.#next = this.#fresh()
    wake()
  }

  #fresh(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
