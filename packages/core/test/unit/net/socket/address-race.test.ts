import { Socket } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { raceAddresses } from '../../../../src/net/socket/address-race.js'
import { ConnectDeadline } from '../../../../src/net/socket/connect-deadline.js'

const never = new ConnectDeadline(60_000, undefined)
afterAll(() => never[Symbol.dispose]())
const LONG = 0x7fffffff

/** Sockets that do what the test says, by their address. */
function dialler(): {
  dialled: string[]
  sockets: Map<string, Socket>
  dial: (address: string) => Socket
} {
  const dialled: string[] = []
  const sockets = new Map<string, Socket>()
  return {
    dialled,
    sockets,
    dial(address) {
      dialled.push(address)
      const socket = new Socket()
      sockets.set(address, socket)
      return socket
    },
  }
}

const refused = (address: string): Error =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' })

describe('raceAddresses', () => {
  it('tries the first address alone at first', () => {
    const { dial, dialled } = dialler()
    void raceAddresses(['a', 'b'], dial, never, LONG).catch(() => {})
    expect(dialled).toEqual(['a'])
  })

  it('tries the next address at once when one fails', async () => {
    const { dial, dialled, sockets } = dialler()
    const race = raceAddresses(['a', 'b', 'c'], dial, never, LONG)
    sockets.get('a')!.emit('error', refused('a'))
    expect(dialled).toEqual(['a', 'b'])
    sockets.get('b')!.emit('connect')
    expect(await race).toBe(sockets.get('b'))
    expect(sockets.get('a')!.destroyed).toBe(true)
    expect(dialled).toEqual(['a', 'b'])
  })

  it('tries the next address after a while, and still accepts the first', async () => {
    const { dial, dialled, sockets } = dialler()
    const begun = new Promise<void>((resolve) => {
      const race = raceAddresses(
        ['a', 'b'],
        (address) => {
          if (address === 'b') resolve()
          return dial(address)
        },
        never,
        1,
      )
      void race.catch(() => {})
      winner = race
    })
    await begun
    expect(dialled).toEqual(['a', 'b'])
    sockets.get('a')!.emit('connect')
    expect(await winner).toBe(sockets.get('a'))
    expect(sockets.get('a')!.destroyed).toBe(false)
    expect(sockets.get('b')!.destroyed).toBe(true)
  })
  let winner: Promise<Socket>

  it('leaves only the listener that ignores errors on the socket it returns', async () => {
    const { dial, sockets } = dialler()
    const race = raceAddresses(['a'], dial, never)
    const socket = sockets.get('a')!
    socket.emit('connect')
    await race
    expect(socket.listenerCount('connect')).toBe(0)
    expect(socket.listenerCount('error')).toBe(1)
    socket.emit('error', refused('a'))
  })

  it('fails with the error of the only address as it is', async () => {
    const { dial, sockets } = dialler()
    const race = raceAddresses(['a'], dial, never)
    const error = refused('a')
    sockets.get('a')!.emit('error', error)
    await expect(race).rejects.toBe(error)
  })

  it('fails with all errors when all addresses fail, and with their code if it is one', async () => {
    const { dial, sockets } = dialler()
    const race = raceAddresses(['::1', '127.0.0.1'], dial, never)
    sockets.get('::1')!.emit('error', refused('::1'))
    sockets.get('127.0.0.1')!.emit('error', refused('127.0.0.1'))
    await expect(race).rejects.toMatchObject({
      name: 'AggregateError',
      code: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1',
      errors: [
        { message: 'connect ECONNREFUSED ::1' },
        { message: 'connect ECONNREFUSED 127.0.0.1' },
      ],
    })
    const mixed = raceAddresses(['a', 'b'], dial, never)
    sockets.get('a')!.emit('error', refused('a'))
    sockets.get('b')!.emit('error', Object.assign(new Error('b'), { code: 'EHOSTUNREACH' }))
    expect(await mixed.catch((error: unknown) => error)).not.toHaveProperty('code')
  })

  it('rejects with the reason of the signal and destroys the sockets it has opened', async () => {
    const { dial, dialled, sockets } = dialler()
    const abort = new AbortController()
    using deadline = new ConnectDeadline(60_000, abort.signal)
    const race = raceAddresses(['a', 'b'], dial, deadline, LONG)
    const reason = new Error('too late')
    abort.abort(reason)
    await expect(race).rejects.toBe(reason)
    expect(sockets.get('a')!.destroyed).toBe(true)
    await expect(raceAddresses(['a'], dial, deadline)).rejects.toBe(reason)
    expect(dialled).toEqual(['a'])
  })
})
