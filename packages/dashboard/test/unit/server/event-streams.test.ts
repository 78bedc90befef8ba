import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test, vi } from 'vitest'
import { EventStreams } from '../../../src/server/event-streams.js'

class FakeResponse extends EventEmitter {
  readonly written: string[] = []
  writableLength = 0
  write(text: string): void {
    this.written.push(text)
  }
  end(): void {
    this.emit('close')
  }
  destroy(): void {
    this.emit('close')
  }
}

function streams() {
  const owner = { start: vi.fn(), stop: vi.fn() }
  return { owner, all: new EventStreams(owner) }
}

function open(all: EventStreams): FakeResponse {
  const response = new FakeResponse()
  all.add(response as unknown as ServerResponse, { from: 'the past' })
  return response
}

test('starts with the first page and stops with the last, however many there were', () => {
  const { owner, all } = streams()
  const [one, other] = [open(all), open(all)]
  expect(owner.start).toHaveBeenCalledTimes(1)
  one.emit('close')
  expect(owner.stop).not.toHaveBeenCalled()
  other.emit('error', new Error('reset'))
  other.emit('close')
  expect(owner.stop).toHaveBeenCalledTimes(1)
})

test('a page is told the past first, and then each event', () => {
  const { all } = streams()
  const page = open(all)
  all.send('now', { text: 'two\nlines' })
  expect(page.written).toEqual([
    'retry: 1000\n\nevent: past\ndata: {"from":"the past"}\n\n',
    'event: now\ndata: {"text":"two\\nlines"}\n\n',
  ])
})

test('a page that does not read is ended before it fills the memory', () => {
  const { owner, all } = streams()
  const page = open(all)
  page.writableLength = 5 * 1024 * 1024
  all.send('now', {})
  expect(all.size).toBe(0)
  expect(owner.stop).toHaveBeenCalledTimes(1)
})

test('takes a hundred pages', () => {
  const { all } = streams()
  for (let page = 0; page < 100; page++) {
    expect(all.isFull).toBe(false)
    open(all)
  }
  expect(all.isFull).toBe(true)
  all.close()
  expect(all.size).toBe(0)
})
