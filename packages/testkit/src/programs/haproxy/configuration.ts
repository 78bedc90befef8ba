import type { ResolvedHaproxyOptions } from './haproxy-options.js'

/** Name of the `listen` section in the configuration and in admin commands. */
export const SECTION = 'postgres'
/** Name of the admin socket, in the directory that HAProxy runs in. */
export const ADMIN_SOCKET = 'admin.sock'

/** What HAProxy calls a target: `s1` is the first. */
export function serverName(index: number): string {
  return `s${index + 1}`
}

/**
 * The text of `haproxy.cfg`: connections go to the first target, until it is told otherwise, or to
 * the first one that is healthy.
 */
export function configurationText(options: ResolvedHaproxyOptions, port: number): string {
  const { health } = options
  const servers = options.targets.map(({ host, port: target }, index) => {
    const check = ` check port ${health?.ports[index]}`
    const state = health !== undefined ? check : index === 0 ? '' : ' disabled'
    return `  server ${serverName(index)} ${host}:${target} on-marked-down shutdown-sessions${state}`
  })
  return [
    'global',
    '  log stdout format raw local0',
    `  stats socket unix@${ADMIN_SOCKET} mode 600 level admin`,
    'defaults',
    '  mode tcp',
    '  log global',
    '  timeout connect 2s',
    '  timeout client 1h',
    '  timeout server 1h',
    `listen ${SECTION}`,
    `  bind 127.0.0.1:${port}`,
    '  balance first',
    // A client for which there is no server is refused at once.
    '  timeout queue 100',
    ...(health === undefined
      ? []
      : [
          `  option httpchk GET ${health.path}`,
          '  http-check expect status 200',
          '  default-server inter 500ms fall 2 rise 1',
        ]),
    ...options.lines.map((line) => `  ${line}`),
    ...servers,
    '',
  ].join('\n')
}
