import type { Socket } from 'node:net'
import { type ClockTimer, systemClock } from '../../base/clock.js'
import type { ConnectDeadline } from './connect-deadline.js'

// The "connection attempt delay" of RFC 8305 (Happy Eyeballs), section 5.
const STAGGER_MS = 250

/**
 * Connects to the first of several addresses that answers. One attempt is begun after the other, a
 * quarter of a second apart or at once when one fails; none is given up before another has won,
 * because a distant server may need longer than that. Rejects when all have failed, with an
 * `AggregateError` if there were several, or with `deadline.reason`. The losers are destroyed.
 *
 * @param dial Makes a socket that begins to connect to one address.
 */
export function raceAddresses(
  addresses: readonly string[],
  dial: (address: string) => Socket,
  deadline: ConnectDeadline,
  staggerMs: number = STAGGER_MS,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const running = new Map<Socket, () => void>()
    const errors: Error[] = []
    let next = 0
    let timer: ClockTimer | undefined
    const end = (winner?: Socket): void => {
      timer?.cancel()
      deadline.unwatch()
      for (const [socket, forget] of running) {
        forget()
        if (socket !== winner) socket.destroy()
      }
    }
    const onAbort = (): void => {
      end()
      reject(deadline.reason as Error)
    }
    const begin = (): void => {
      timer?.cancel()
      const address = addresses[next++]
      if (address === undefined) return
      const socket = dial(address)
      const onConnect = (): void => {
        end(socket)
        resolve(socket)
      }
      const onError = (error: Error): void => {
        forget()
        running.delete(socket)
        socket.destroy()
        errors.push(error)
        if (next < addresses.length) begin()
        else if (running.size === 0) {
          end()
          reject(combine(errors))
        }
      }
      const forget = (): void => {
        socket.removeListener('connect', onConnect)
        socket.removeListener('error', onError)
      }
      // Stays for the life of the socket: between two owners an error must find a listener.
      socket.on('error', ignore)
      socket.on('error', onError)
      socket.on('connect', onConnect)
      running.set(socket, forget)
      if (next < addresses.length)
        timer = systemClock.setTimer(begin, staggerMs, { keepAlive: true })
    }
    if (deadline.watch(onAbort)) begin()
  })
}

function ignore(): void {}

function combine(errors: readonly Error[]): Error {
  const [first, ...others] = errors
  if (others.length === 0) return first!
  const message = errors.map((error) => error.message).join('; ')
  const combined = new AggregateError(errors, message)
  const code = codeOf(first!)
  // What all of them say is what it is.
  if (code !== undefined && others.every((error) => codeOf(error) === code))
    Object.assign(combined, { code })
  return combined
}

function codeOf(error: Error): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
