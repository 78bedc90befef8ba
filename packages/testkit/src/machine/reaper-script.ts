/**
 * The program of the reaper process, as text: it runs under `node -e`, where neither TypeScript
 * nor this package's files need to be reachable.
 *
 * It reads `+directory` and `-directory` lines. When the pipe closes, because its parent ended in
 * whatever way, it ends the servers whose working directory lies below a watched directory and
 * removes the directories. Servers first get SIGQUIT (with SIGCONT, should they be frozen), which
 * lets them give back their System V shared memory; what is left soon after gets SIGKILL, and its
 * shared memory is given back here.
 */
export const reaperScript = `
const fs = require('node:fs')
const { execFileSync } = require('node:child_process')
const directories = new Set()
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function attempt(action, otherwise) {
  try { return action() } catch { return otherwise }
}
function below(path, directory) {
  return path === directory || path.startsWith(directory + '/')
}
function recordedPostmasters(directory) {
  return attempt(() => fs.readdirSync(directory), []).flatMap((node) => {
    const text = attempt(() => fs.readFileSync(directory + '/' + node + '/data/postmaster.pid', 'utf8'), '')
    const pid = Number.parseInt(text, 10)
    return pid > 1 ? [pid] : []
  })
}
function removeSharedMemory(directory) {
  for (const node of attempt(() => fs.readdirSync(directory), [])) {
    const text = attempt(() => fs.readFileSync(directory + '/' + node + '/data/postmaster.pid', 'utf8'), '')
    const id = text.split('\\n')[6]?.trim().split(/\\s+/)[1]
    if (id) attempt(() => execFileSync('ipcrm', ['-m', id], { stdio: 'ignore' }))
  }
}
function descendants(roots) {
  const text = attempt(() => execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' }), '')
  const rows = text.trim().split('\\n').map((line) => line.trim().split(/\\s+/).map(Number))
  const found = new Set(roots.filter((root) => rows.some(([pid]) => pid === root)))
  for (let size = -1; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of rows) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}
function livePids() {
  const watched = [...directories]
  if (process.platform !== 'linux') return descendants(watched.flatMap(recordedPostmasters))
  return attempt(() => fs.readdirSync('/proc'), []).filter((name) => /^[0-9]+$/.test(name)).filter((pid) => {
    const cwd = attempt(() => fs.readlinkSync('/proc/' + pid + '/cwd'), '')
    return watched.some((directory) => below(cwd, directory))
  }).map(Number).filter((pid) => pid !== process.pid)
}
function signal(pids, name) {
  for (const pid of pids) attempt(() => process.kill(pid, name))
}
async function reap() {
  const postmasters = new Set([...directories].flatMap(recordedPostmasters))
  let pids = livePids()
  const seen = new Set(pids)
  signal(pids.filter((pid) => postmasters.has(pid)), 'SIGQUIT')
  signal(pids, 'SIGCONT')
  for (let waited = 0; pids.length > 0 && waited < 400; waited += 20) {
    await later(20)
    pids = livePids()
  }
  for (let waited = 0; pids.length > 0 && waited < 10000; waited += 20) {
    signal(process.platform === 'linux' ? pids : [...seen], 'SIGKILL')
    await later(20)
    pids = livePids()
  }
  for (const directory of directories) removeSharedMemory(directory)
  // Again and again: a program that our parent had just forked was in no directory yet, and fills one while it is being removed.
  const left = () => [...directories].filter((directory) => fs.existsSync(directory))
  for (let waited = 0; left().length > 0 && waited < 10000; waited += 50) {
    signal(livePids(), 'SIGKILL')
    for (const directory of left()) attempt(() => fs.rmSync(directory, { recursive: true, force: true }))
    if (left().length > 0) await later(50)
  }
  process.exit(0)
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => undefined)
let text = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (chunk) => {
  const lines = (text + chunk).split('\\n')
  text = lines.pop()
  for (const line of lines) {
    if (line.startsWith('+')) directories.add(line.slice(1))
    else directories.delete(line.slice(1))
  }
})
process.stdin.on('error', reap)
process.stdin.on('end', reap)
`
