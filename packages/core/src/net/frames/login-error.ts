import type { AuthMethod } from '../../settings/auth-method.js'

/**
 * The log-in ends because of the proof that the server asks for, or because it asks for none. The
 * messages are for the end of a sentence.
 */
export class AuthenticationFailure extends Error {}

/** The server asks for a password and there is none. */
export class PasswordMissingError extends AuthenticationFailure {
  /** Needs nothing: the message says it. */
  constructor() {
    super('the server asks for a password and none is given; set connection.password')
  }
}

/** The server let us in without proving that it knows the password. */
export class NoServerProofError extends AuthenticationFailure {
  /** Needs nothing: the message says it. */
  constructor() {
    super(
      'the server skipped the proof that it knows the password; something may be impersonating it',
    )
  }
}

/** Channel binding is required and cannot be had. The password was not used. */
export class BindingRequiredError extends AuthenticationFailure {
  /** `reason` is a clause that says why it cannot be had. */
  constructor(reason: string) {
    super(
      `${reason}, and connection.channelBinding is 'require'; if this is the right server, set it to 'prefer'`,
    )
  }
}

const ASKED: Readonly<Record<AuthMethod, string>> = {
  none: 'the server asks for no proof (as with trust and client certificates)',
  password: 'the server asks for the password in clear text',
  md5: 'the server asks for an MD5 hash of the password',
  'scram-sha-256': 'the server asks for SCRAM-SHA-256',
}

/** The server asks for something that `requireAuth` does not accept. Nothing was told to it. */
export class AuthNotAcceptedError extends AuthenticationFailure {
  /** Says what it asked for and how to accept it. */
  constructor(asked: AuthMethod, accepted: readonly AuthMethod[]) {
    const wider = [asked, ...accepted].map((method) => `'${method}'`).join(', ')
    super(
      `${ASKED[asked]}, and requireAuth accepts only ${accepted.join(', ') || 'nothing'}; ` +
        `if this is the right server, set requireAuth: [${wider}], or have it verified by TLS ` +
        '(connection.ssl with mode verify-full, or with a ca of your own)',
    )
  }
}

/**
 * The server does not keep to the protocol: it is no PostgreSQL server, or something tampers with
 * the connection.
 */
export class ProtocolError extends Error {
  /** Tells it apart from an error of the socket. */
  readonly code: string = 'POOLHOUSE_PROTOCOL'
}

/** A message of this kind answers nothing that is in flight. */
export function unaskedFor(kind: number): ProtocolError {
  return new ProtocolError(`the server answers what was not asked (byte ${kind})`)
}

/** There is no message of this kind. */
export function unknownKind(kind: number): ProtocolError {
  return new ProtocolError(`the server sent a message of an unknown kind (byte ${kind})`)
}

/** The server closed the connection. */
export class HungUpError extends Error {
  /** Tells it apart from a reset, and both from silence. */
  readonly code = 'POOLHOUSE_HUNG_UP'
  /** Needs nothing: the message says it. */
  constructor() {
    super('the server closed the connection')
  }
}
