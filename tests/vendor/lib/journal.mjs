// What went over one connection, in the order of the wire.
//
// The vendor's library keeps acks and echoes to itself, so the journal listens one level below it, on the WebSocket.

import WebSocket from 'ws'

const KINDS = ['handshake', 'request', 'response', 'event']

export class Journal {
  entries = []
  close = null
  #start = performance.now()

  note(way, text) {
    const message = JSON.parse(text)
    const kind = KINDS.find((key) => key in message) ?? 'unknown'
    this.entries.push({ at: Math.round(performance.now() - this.#start), way, kind, name: message[kind], text, message })
  }

  sent(kind) {
    return this.entries.filter((entry) => entry.way === 'sent' && entry.kind === kind)
  }

  received(kind) {
    return this.entries.filter((entry) => entry.way === 'received' && entry.kind === kind)
  }

  keepalives(way) {
    return this.entries.filter((entry) => entry.way === way && entry.kind === 'handshake' && entry.name === 'keepalive')
  }

  /** The journal as it is printed: without session descriptions, which would drown the rest. */
  readable() {
    return this.entries.map(({ at, way, kind, name, message }) => {
      const { line, call_id, transaction, code, reason } = message
      return { at, way, kind, name, line, call_id, transaction, code, reason }
    })
  }
}

/** The WebSocket class for one phone: the `ws` package's, with a journal of all it carries. */
export function tappedWebSocket(journal, report) {
  return class extends WebSocket {
    constructor(url, protocol) {
      super(url, protocol)
      this.on('message', (data, isBinary) => {
        if (isBinary) report('received a binary frame')
        try {
          journal.note('received', data.toString())
        } catch (error) {
          report(`received what is not a JSON object: ${error.message}`)
        }
      })
      this.on('close', (code, reason) => { journal.close = { code, reason: reason.toString() } })
    }

    send(text) {
      journal.note('sent', text)
      super.send(text)
    }
  }
}
