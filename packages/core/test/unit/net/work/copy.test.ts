import { describe, expect, it } from 'vitest'
import { CopyAnswer } from '../../../../src/net/work/copy-answer.js'
import { ReceivingCopy } from '../../../../src/net/work/receiving-copy.js'
import { SendingCopy } from '../../../../src/net/work/sending-copy.js'
import { PoolhouseError } from '../../../../src/outcome/poolhouse-error.js'

const RESULT = { rowCount: 2, command: 'COPY' }

/** A line that records what is sent, and whose room a test sets. */
class NotedLine {
  readonly sent: (number | string)[] = []
  room = true
  sendData(bytes: Buffer): boolean {
    this.sent.push(bytes.length)
    return this.room
  }
  sendDone(): void {
    this.sent.push('done')
  }
  sendFail(reason: string): void {
    this.sent.push(reason)
  }
}

/** Whether a promise is settled once everything that needs no event was done. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  await new Promise((resolve) => setImmediate(resolve))
  return settled
}

describe('a COPY that sends', () => {
  it('cuts what it is given into pieces and ends with what was copied', async () => {
    const line = new NotedLine()
    const copy = new SendingCopy(line)
    await copy.write(Buffer.alloc((1 << 20) + 3))
    const finished = copy.finish()
    expect(line.sent).toEqual([1 << 20, 3, 'done'])
    expect(await isSettled(finished)).toBe(false)
    copy.ended(undefined, RESULT)
    expect(await finished).toBe(RESULT)
  })

  it('makes a writer wait until there is room', async () => {
    const line = new NotedLine()
    line.room = false
    const copy = new SendingCopy(line)
    const written = copy.write(Buffer.from('a'))
    expect(await isSettled(written)).toBe(false)
    copy.drained()
    await written
  })

  it('lets the event loop run even if there is always room, so that a writer learns of a refusal', async () => {
    const line = new NotedLine()
    const copy = new SendingCopy(line)
    const refusal = new Error('refused')
    setImmediate(() => copy.ended(refusal, RESULT))
    const write = async (): Promise<void> => {
      for (let count = 0; count < 1_000; count++) await copy.write(Buffer.alloc(65_536))
    }
    await expect(write()).rejects.toBe(refusal)
  })

  it('rejects pending writes and waits for room when it is over, and accepts no more data', async () => {
    const line = new NotedLine()
    line.room = false
    const copy = new SendingCopy(line)
    const written = copy.write(Buffer.from('a'))
    const loss = new Error('lost')
    copy.lost(loss)
    await expect(written).rejects.toBe(loss)
    await expect(copy.write(Buffer.from('b'))).rejects.toBe(loss)
    await expect(copy.finish()).rejects.toBe(loss)
    await copy.fail('never rejects')
    expect(line.sent).toEqual([1])
  })

  it('sends a reason without a zero byte when it fails, and accepts no more data', async () => {
    const line = new NotedLine()
    const copy = new SendingCopy(line)
    const failed = copy.fail('a\0b')
    await expect(copy.write(Buffer.from('a'))).rejects.toThrow('takes no more data')
    copy.ended(new Error('COPY failed'), RESULT)
    await failed
    expect(line.sent).toEqual(['a b'])
  })
})

describe('a COPY that receives', () => {
  it('returns what was read ahead as one piece, pauses above a limit and resumes once that is taken', async () => {
    const pauses: boolean[] = []
    const copy = new ReceivingCopy((paused) => pauses.push(paused))
    copy.data(Buffer.alloc(65_535, 1))
    expect(pauses).toEqual([])
    copy.data(Buffer.alloc(2, 2))
    copy.data(Buffer.alloc(2, 3))
    expect(pauses).toEqual([true])
    expect(await copy.read()).toHaveLength(65_539)
    expect(pauses).toEqual([true, false])
    const next = copy.read()
    copy.data(Buffer.from('next'))
    expect(await next).toEqual(Buffer.from('next'))
  })

  it('returns what was read ahead, and then the end', async () => {
    const copy = new ReceivingCopy(() => undefined)
    copy.data(Buffer.from('last'))
    copy.ended(undefined)
    expect(await copy.read()).toEqual(Buffer.from('last'))
    expect(await copy.read()).toBeUndefined()
  })

  it('rejects at once when the session is lost, and lets the socket go on', async () => {
    const pauses: boolean[] = []
    const copy = new ReceivingCopy((paused) => pauses.push(paused))
    copy.data(Buffer.alloc(70_000))
    const loss = new Error('lost')
    copy.lost(loss)
    await expect(copy.read()).rejects.toBe(loss)
    expect(pauses).toEqual([true, false])
  })
})

describe('the answer to the text of a COPY', () => {
  function open(): {
    answer: CopyAnswer<ReceivingCopy>
    copy: ReceivingCopy
    opened: Promise<ReceivingCopy>
  } {
    const copy = new ReceivingCopy(() => undefined)
    let answer: CopyAnswer<ReceivingCopy> | undefined
    const opened = new Promise<ReceivingCopy>((resolve, reject) => {
      answer = new CopyAnswer('COPY … TO STDOUT', copy, { resolve, reject })
    })
    return { answer: answer!, copy, opened }
  }

  it('begins once and then ends the COPY', async () => {
    const { answer, copy, opened } = open()
    expect([answer.begin(), answer.begin()]).toEqual([true, false])
    expect(await opened).toBe(copy)
    const refusal = new Error('refused')
    answer.settle(refusal)
    await expect(copy.read()).rejects.toBe(refusal)
  })

  it('rejects with what the server says against the text', async () => {
    const { answer, opened } = open()
    const refusal = new Error('syntax error')
    answer.settle(refusal)
    await expect(opened).rejects.toBe(refusal)
  })

  it('reports that the text was another command, and was executed', async () => {
    const { answer, opened } = open()
    answer.completed('SELECT 1')
    answer.settle(undefined)
    await expect(opened).rejects.toMatchObject({
      message:
        'the statement is not COPY … TO STDOUT and was executed as what it is; run it with query; see POOLHOUSE_ERROR',
      executed: 'yes',
    })
  })

  it('reports that the text was a COPY in the other direction, and was undone', async () => {
    const { answer, opened } = open()
    expect(answer.refuseData()).toContain('it must be COPY … TO STDOUT')
    answer.settle(new PoolhouseError('COPY from stdin failed'))
    await expect(opened).rejects.toMatchObject({
      message: 'the statement is not COPY … TO STDOUT; see POOLHOUSE_ERROR',
      executed: 'rolled-back',
    })
  })

  it('hands on what the tag of the COPY counts, and of no other command', async () => {
    const copy = new SendingCopy(new NotedLine())
    const answer = new CopyAnswer('COPY … FROM STDIN', copy, {
      resolve: () => undefined,
      reject: () => undefined,
    })
    answer.begin()
    answer.completed('COPY 7')
    answer.completed('SELECT 9')
    const finished = copy.finish()
    answer.settle(undefined)
    expect(await finished).toEqual({ rowCount: 7, command: 'COPY' })
  })
})
