import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DirectoryOwner } from '../machine/directory-owner.js'
import { findFreePorts } from '../machine/free-port.js'
import { findServerUser } from '../machine/server-user.js'
import {
  createTemporaryDirectory,
  removeTemporaryDirectory,
  writeFileFor,
} from '../machine/temporary-directory.js'
import { debianPackage } from './debian/debian-package.js'
import { SupervisedProcess } from './supervised-process.js'

/** How often to try another port when another process was faster. */
const PORT_ATTEMPTS = 5
const START_TIMEOUT_MS = 20_000
const POLL_MS = 5

/** Which program to run, and how. */
export interface ProgramStart {
  /** Name of the program. */
  readonly name: string
  /** Debian's package that has it. Default: of the same name. */
  readonly package?: string
  /** Its path in the package. Default: `usr/sbin/` and the name. */
  readonly binary?: string
  readonly arguments: readonly string[] | ((port: number) => readonly string[])
  /** The files of its working directory, by name, for the port that it is to listen on. */
  readonly files: (port: number, home: string) => Readonly<Record<string, string>>
  /** Whether it takes clients, seeing what it has logged so far. */
  readonly isReady: (log: string, home: string) => boolean | Promise<boolean>
  /** What it logs when another process has its port. */
  readonly portTaken: RegExp
}

/** A running program, the port that it listens on, and the directory that it runs in. */
export interface ProgramParts {
  readonly port: number
  readonly home: string
  readonly process: SupervisedProcess
  /** Runs it once more, where it was; resolves when it is ready. */
  readonly again: () => Promise<SupervisedProcess>
}

/** A program that listens on a port of 127.0.0.1, in a temporary directory that goes with it. */
export class RunningProgram extends DirectoryOwner {
  /** Address that it listens on. */
  readonly host = '127.0.0.1'
  /** TCP port. */
  readonly port: number
  /** Its working directory. */
  protected readonly home: string
  readonly #again: ProgramParts['again']
  #process: SupervisedProcess

  /** Takes over a program that was started. */
  constructor({ port, home, process, again }: ProgramParts) {
    super(home)
    this.port = port
    this.home = home
    this.#process = process
    this.#again = again
  }

  /** Ends it and runs it again on the same port; resolves when it is ready. */
  async restart(): Promise<void> {
    await this.#process.stopAll()
    await rm(this.#process.log, { force: true })
    this.#process = await this.#again()
  }

  /** The last lines it logged. */
  logTail(): Promise<string> {
    return this.#process.logTail()
  }

  protected override end(): Promise<void> {
    return this.#process.stopAll()
  }
}

/**
 * Starts a program on a free port of 127.0.0.1; resolves when it is ready. Tries another port when
 * another process was faster. Throws with the end of its log when it does not start.
 */
export async function startProgram(start: ProgramStart): Promise<ProgramParts> {
  const { name } = start
  // PgBouncer refuses root, as PostgreSQL does.
  const user = findServerUser()
  const { binary, env } = await debianPackage(start.package ?? name, {
    binary: start.binary ?? `usr/sbin/${name}`,
  })
  const home = await createTemporaryDirectory(user)
  try {
    for (let attempt = 1; ; attempt += 1) {
      const [port] = (await findFreePorts(1)) as [number]
      for (const [file, text] of Object.entries(start.files(port, home))) {
        await writeFileFor(user, join(home, file), text)
      }
      const args = typeof start.arguments === 'function' ? start.arguments(port) : start.arguments
      const options = { file: binary, args, home, name, env, user }
      const process = new SupervisedProcess(options)
      const again = async (): Promise<SupervisedProcess> => {
        const next = new SupervisedProcess(options)
        if (await becomesReady(next, start, home)) return next
        throw new Error(`${name} did not start again; end of its log:\n${await next.logTail()}`)
      }
      if (await becomesReady(process, start, home)) return { port, home, process, again }
      await process.stopAll()
      const log = await process.logTail()
      if (!start.portTaken.test(log) || attempt === PORT_ATTEMPTS) {
        throw new Error(`${name} did not start; end of its log:\n${log}`)
      }
      await rm(process.log)
    }
  } catch (error) {
    await removeTemporaryDirectory(home)
    throw error
  }
}

async function becomesReady(
  process: SupervisedProcess,
  { isReady }: ProgramStart,
  home: string,
): Promise<boolean> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await isReady(await process.logTail(), home))) {
    if (process.ended || performance.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}
