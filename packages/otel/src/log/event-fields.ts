import type { TopologySnapshot } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'

/** What a line of a log holds beside its message. */
export type LogFields = Readonly<Record<string, unknown>>

// What the message of the line says already.
const SAID = new Set(['reason', 'message'])

/**
 * The fields of an event: what can be counted or searched for. Errors are told by class and code,
 * with the messages of those causes that the line does not say yet. Never holds values: neither
 * `detail` of the server nor statement parameters.
 */
export function fieldsOf(name: string, event: object, message: string): LogFields {
  const fields: Record<string, unknown> = { event: name }
  for (const [key, value] of Object.entries(event)) {
    if (SAID.has(key) && message.includes(String(value))) continue
    if (key === 'error' || key === 'cause') fields[key] = errorFields(value, message)
    else if (key === 'snapshot') Object.assign(fields, topologyFields(value as TopologySnapshot))
    else if (key === 'server') fields[key] = (value as { systemId?: string } | undefined)?.systemId
    else if (key === 'servers') fields[key] = (value as readonly unknown[]).length
    else fields[key] = value
    if (fields[key] === undefined) delete fields[key]
  }
  return fields
}

function errorFields(error: unknown, said: string, depth = 0): LogFields | string | undefined {
  if (!(error instanceof Error)) return said.includes(String(error)) ? undefined : String(error)
  const { code, executed, retryable, node, statement, cause } = error as Error &
    Record<string, unknown>
  const { message } = error
  // An error that quotes this one has left the code at its end out.
  const isSaid = said.includes(messageOf(error))
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    ...(isSaid ? {} : { message }),
    ...(executed === undefined ? {} : { executed, retryable }),
    ...(node === undefined ? {} : { node }),
    ...(statement === undefined ? {} : { statement }),
    ...(cause instanceof Error && depth < 5
      ? { cause: errorFields(cause, isSaid ? said : `${said} ${message}`, depth + 1) }
      : {}),
  }
}

function topologyFields({ primary, timeline, systemId, nodes }: TopologySnapshot): LogFields {
  return {
    primary: primary?.id ?? null,
    timeline,
    systemId,
    nodes: Object.fromEntries(nodes.map(({ id, state }) => [id, state])),
  }
}
