import { findFreePorts } from '../machine/free-port.js'
import { ProgramProcess, type ProgramStart } from './program-process.js'

/** How often to try another port when another process was faster. */
const PORT_ATTEMPTS = 5

/** A running program and the port of 127.0.0.1 that it listens on. */
export interface ProgramOnPort {
  readonly port: number
  readonly running: ProgramProcess
}

/**
 * Starts a program on a free port: `configure` writes its configuration for that port. Tries
 * another port when the program's log matches `portTaken`, and throws what `ProgramProcess.start`
 * throws otherwise.
 */
export async function startOnFreePort(
  start: ProgramStart,
  portTaken: RegExp,
  configure: (port: number) => Promise<void>,
): Promise<ProgramOnPort> {
  for (let attempt = 1; ; attempt += 1) {
    const [port] = (await findFreePorts(1)) as [number]
    await configure(port)
    try {
      return { port, running: await ProgramProcess.start(start) }
    } catch (error) {
      if (!portTaken.test((error as Error).message) || attempt === PORT_ATTEMPTS) throw error
    }
  }
}
