// The frame around a scenario: reads where to dial, plays, judges, prints one JSON line, exits 0 or 1.
//
// From the environment: WTSP_URL, the server's signaling URL; WTSP_SUBSCRIBERS, a CSV file of `token,number`.
// Tokens travel in that file only, so that no process list and no output shows them.

import { readFileSync } from 'node:fs'
import { Phone } from './phone.mjs'
import { brokenRules } from './rules.mjs'
import { sleep } from './waiting.mjs'

const LIMIT_MS = 28_000
/** Long enough for whatever still trails in after the last step. */
const SETTLE_MS = 300

class Stage {
  phones = []
  complaints = []

  constructor() {
    this.url = required('WTSP_URL')
    this.subscribers = readSubscribers(required('WTSP_SUBSCRIBERS'))
  }

  /** A phone for the n-th subscriber, not yet connected. */
  phone(name, index) {
    const phone = new Phone(name, this.subscribers[index])
    this.phones.push(phone)
    return phone
  }

  /** A phone for the n-th subscriber, signed on. */
  async signedOn(name, index) {
    const phone = this.phone(name, index)
    await phone.signOn(this.url)
    return phone
  }

  /** Plays, then signs off whoever is left, also after a step that failed: what the phones saw is told in any case. */
  async perform(play) {
    await play(this).catch((error) => this.complain(error))
    await sleep(SETTLE_MS)
    for (const phone of this.phones) {
      if (phone.closed && !phone.mayBeClosed) {
        phone.complain(`the server closed with ${phone.closed.code} ${phone.closed.reason}`)
      }
      await phone.signOff().catch((error) => this.complain(error))
      this.complaints.push(...phone.complaints, ...phone.unexpected(), ...brokenRules(phone))
    }
  }

  complain(error) {
    this.complaints.push(error?.message ?? String(error))
  }

  result(name) {
    return {
      scenario: name,
      ok: this.complaints.length === 0,
      complaints: this.complaints,
      counts: counts(this.phones.map(({ journal }) => journal)),
      phones: this.phones.map(({ name, number, closed, journal }) => ({ name, number, closed, journal: journal.readable() })),
    }
  }

  withoutTokens(text) {
    return this.subscribers.reduce((rest, { token }) => rest.replaceAll(token, '(token)'), text)
  }
}

export async function scenario(name, play) {
  hush()
  const stage = new Stage()
  const finish = () => print(stage, name)
  // What the library throws while it handles a message arrives here, and nowhere else.
  for (const failure of ['uncaughtException', 'unhandledRejection']) {
    process.on(failure, (error) => {
      stage.complain(`the client threw ${error?.code ?? ''}: ${error?.message ?? error}`)
      finish()
    })
  }
  console.warn = (...said) => { if (String(said[0]).startsWith('[WS] Skip')) stage.complain('sent without a connection') }
  setTimeout(() => { stage.complain(`not finished within ${LIMIT_MS} ms`); finish() }, LIMIT_MS).unref()
  await stage.perform(play)
  finish()
}

/** An error response is what this step is about: the request must be refused, and with that code. */
export async function refused(code, request) {
  const outcome = await request.then(() => 'an ack', (error) => error.code)
  if (outcome !== code) throw new Error(`should have been refused with ${code}, got ${outcome}`)
}

/** The library talks on the console, and its objects hold the token: stdout is kept for the result. */
function hush() {
  for (const level of ['log', 'info', 'warn', 'error']) console[level] = () => {}
}

let printed = false
function print(stage, name) {
  if (printed) return
  printed = true
  const result = stage.result(name)
  process.stdout.write(`${stage.withoutTokens(JSON.stringify(result))}\n`, () => process.exit(result.ok ? 0 : 1))
}

function counts(journals) {
  const all = (pick) => tally(journals.flatMap(pick))
  const keepalives = (way) => journals.reduce((sum, journal) => sum + journal.keepalives(way).length, 0)
  return {
    requests: all((journal) => journal.sent('request').map(({ name }) => name)),
    responses: all((journal) => journal.received('response').map(({ name }) => name)),
    events: all((journal) => journal.received('event').map(({ name }) => name)),
    keepalives: { sent: keepalives('sent'), answered: keepalives('received') },
  }
}

function tally(names) {
  const sums = {}
  for (const name of names) sums[name] = (sums[name] ?? 0) + 1
  return sums
}

function required(variable) {
  const value = process.env[variable]
  if (!value) throw new Error(`${variable} is not set`)
  return value
}

function readSubscribers(file) {
  const [header, ...rows] = readFileSync(file, 'utf8').trim().split(/\r?\n/)
  const columns = header.split(',')
  return rows.map((row) => {
    const fields = row.split(',')
    return Object.fromEntries(columns.map((column, i) => [column, fields[i]]))
  })
}
