// Who may have the connection: one per token, the newcomer only by force, nobody without a valid token.

import { scenario } from './lib/scenario.mjs'

const SESSION_MISSED = 4201
const ALREADY_ATTACHED = 4431
const DISPLACED = 4441

await scenario('attach', async (stage) => {
  const first = await stage.signedOn('first', 0)

  await turnedAway(stage.phone('polite newcomer', 0), ALREADY_ATTACHED)

  const rude = stage.phone('forceful newcomer', 0)
  await rude.signOn(stage.url, true)
  first.mayBeClosed = true
  await first.closedBy(DISPLACED)

  stage.subscribers.push({ number: 'none', token: 'never-issued' })
  await turnedAway(stage.phone('stranger', stage.subscribers.length - 1), SESSION_MISSED)

  async function turnedAway(phone, code) {
    phone.mayBeClosed = true
    await phone.connect(stage.url)
    await phone.closedBy(code)
    if (phone.state) phone.complain('got a state although it was turned away')
  }
})
