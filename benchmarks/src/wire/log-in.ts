import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { message } from './message.js'

const PROTOCOL = 3 << 16
const [AUTHENTICATION, READY] = [...'RZ'].map((letter) => letter.charCodeAt(0))

/**
 * Opens a connection to the server of `url` and logs in. Resolves when the server is ready for the
 * first statement. Throws if the server asks for a password.
 */
export async function logIn(url: string): Promise<Socket> {
  const { hostname, port, username, pathname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  await once(socket, 'connect')
  const version = Buffer.alloc(4)
  version.writeInt32BE(PROTOCOL)
  const parameters = `user\0${username}\0database\0${pathname.slice(1)}\0\0`
  socket.write(message('', Buffer.concat([version, Buffer.from(parameters)])))
  let said = Buffer.alloc(0)
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer]
    said = Buffer.concat([said, piece])
    if (said[0] !== AUTHENTICATION || (said.length >= 9 && said.readInt32BE(5) !== 0)) {
      throw new Error('this client can only log in where no password is asked for')
    }
    // ReadyForQuery is the last message, of six bytes.
    if (said.length >= 6 && said[said.length - 6] === READY) return socket
  }
}
