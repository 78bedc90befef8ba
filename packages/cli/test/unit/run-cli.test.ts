import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run, temporaryFolder } from './support/fake-io.js'

const SECRET = 's3cr:et@x/y'
const SECRET_URL = `postgres://app:${SECRET}@127.0.0.1:1/app`

describe('the command line', () => {
  it('prints help and its version with exit code 0', async () => {
    const help = await run(['--help'])
    expect(help).toMatchObject({ exitCode: 0, stderr: '' })
    for (const name of ['ping', 'doctor', 'top', 'explain-route', 'drill', 'init', 'schema']) {
      expect(help.stdout).toContain(name)
    }
    const ofOne = await run(['doctor', '--help'])
    expect(ofOne.stdout).toContain('--processes')
    expect(ofOne.stdout).toContain('--json')
    expect(await run(['--version'])).toMatchObject({ exitCode: 0, stdout: '0.0.0\n' })
  })

  it.each([
    [[], 'which command?'],
    [['pong'], "unknown command 'pong'"],
    [['help', 'pong'], "unknown command 'pong'"],
    [['postgres://a/app'], 'which command? As in: poolhouse doctor URL'],
    [['ping', '--config', '.'], 'it is a folder; give the file in it'],
    [['doctor', '--processs', '4'], 'Did you mean --processes?'],
    [['doctor', '--processes', '0'], '--processes must be a whole number'],
    [['ping', '--timeout', 'soon'], '--timeout must be a time such as'],
    [['ping', 'a', 'b'], 'too many arguments'],
    [['ping', 'localhost'], 'the argument must be a URL'],
    [['ping', 'postgres://a/app', '--config', 'x.json'], 'not both'],
    [['ping', 'postgres://a/app?sslmod=off'], 'sslmod'],
    [['ping', '--config', 'missing.json'], 'there is no file'],
    [['ping'], 'no database: give a URL'],
    [['doctor'], 'no database: give a URL'],
    [['explain-route', ''], 'the statement is empty'],
    [['init', '--format', 'xml'], 'Allowed choices are json, mjs, ts'],
  ])('ends with exit code 2 for wrong usage: %j', async (argv, message) => {
    const plain = await run(argv)
    expect(plain).toMatchObject({ exitCode: 2, stdout: '' })
    expect(plain.stderr).toContain(message)
    const { exitCode, stdout, stderr } = await run([...argv, '--json'])
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' })
    const document = JSON.parse(stdout) as { error: { message: string } }
    expect(document).toMatchObject({ ok: false, exitCode: 2 })
    expect(document.error.message).toContain(message)
  })

  it('takes -- as the end of the options', async () => {
    const { exitCode, stdout } = await run(['explain-route', '--', '--json'])
    expect(exitCode).toBe(0)
    expect(() => JSON.parse(stdout)).toThrow()
  })

  it('ends with exit code 2 for a wrong configuration, whose error names the key', async () => {
    const cwd = temporaryFolder()
    const config = { databases: { app: { primary: 'postgres://a/app', pol: { max: 1 } } } }
    writeFileSync(join(cwd, 'poolhouse.config.json'), JSON.stringify(config))
    const { exitCode, stderr } = await run(['ping'], { cwd })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('unknown key "pol"')
  })

  it.each([
    [['ping', SECRET_URL]],
    [['ping', SECRET_URL, '--json']],
    [['doctor', SECRET_URL]],
    [['doctor', SECRET_URL, '--json']],
    [['top', SECRET_URL, '--count', '1']],
    [[SECRET_URL]],
    [['ping', '--timeout', SECRET_URL]],
    [['ping', '--config', SECRET_URL]],
    [['ping', `--${SECRET_URL}`, '--json']],
    [['init', SECRET_URL]],
    [['ping', `host=127.0.0.1 port=1 user=app password='${SECRET}'`, '--json']],
  ])('X06: prints no password: %j', async (argv) => {
    const { stdout, stderr } = await run(argv)
    expect(stdout + stderr).not.toMatch(/s3cr|et@x/)
    expect(stdout + stderr).not.toBe('')
  })

  it('shows the form of a URL as it is, in the place of one that cannot be read', async () => {
    const { stderr } = await run(['ping'], { env: { DATABASE_URL: 'app:s3cret@host' } })
    expect(stderr).toContain('expected postgres://user:password@host:5432/database')
    expect(stderr).not.toContain('s3cret')
  })

  it('says what a configuration file throws that is no error', async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'poolhouse.config.mjs'), `throw 'not today'`)
    expect((await run(['ping'], { cwd })).stderr).toContain('poolhouse.config.mjs: not today')
  })

  it('X06: prints no password that a configuration file throws', async () => {
    const cwd = temporaryFolder()
    const file = join(cwd, 'poolhouse.config.mjs')
    writeFileSync(file, `throw new Error(${JSON.stringify(`cannot use ${SECRET_URL}`)})`)
    const { exitCode, stderr } = await run(['ping'], { cwd })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('cannot use postgres://app:[redacted]@')
    expect(stderr).not.toContain('s3cr')
  })

  it('uses colours on a terminal only, and not with NO_COLOR', async () => {
    const colored = async (options: object): Promise<boolean> =>
      (await run(['explain-route', 'select 1'], options)).stdout.includes('\u001b[')
    expect(await colored({ isTTY: true })).toBe(true)
    expect(await colored({})).toBe(false)
    expect(await colored({ isTTY: true, env: { NO_COLOR: '1' } })).toBe(false)
    const argv = ['explain-route', 'select 1', '--no-color']
    expect((await run(argv, { isTTY: true })).stdout).not.toContain('\u001b[')
  })

  it('ends with exit code 130 when it is aborted', async () => {
    const ending = new AbortController()
    ending.abort(new Error('Ctrl-C'))
    const { runCli } = await import('../../src/index.js')
    const quiet = { write: () => {} }
    const io = { stdout: quiet, stderr: quiet, env: {}, cwd: '/', signal: ending.signal }
    expect(await runCli(['ping', 'postgres://127.0.0.1:1/app'], io)).toBe(130)
  })
})
