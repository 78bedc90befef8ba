import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A way to a server on which every byte spends some time. */
export interface Relay extends AsyncDisposable {
  /** URL that leads there; several, with blanks between them, if the process opens several. */
  readonly url: string
}

/** Starts the process of `relay.ts`, built at `script`, in front of the server of `url`. */
export function startRelay(script: string, url: string, ms: number): Promise<Relay> {
  return startRelayProcess(script, url, String(ms))
}

/** Starts a process that relays and prints where. */
export async function startRelayProcess(script: string, ...args: string[]): Promise<Relay> {
  const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit']
  const child = spawn(process.execPath, [script, ...args], { stdio })
  const [here] = (await once(child.stdout, 'data')) as [Buffer]
  return {
    url: String(here),
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close')
      child.stdin.end()
      await ended
    },
  }
}
