// Phones that are left alone, idle and in a call, stay connected over several keepalive intervals.

import { scenario } from './lib/scenario.mjs'
import { establish, hangUp } from './lib/steps.mjs'
import { until } from './lib/waiting.mjs'

const INTERVALS = 4

await scenario('keepalive', async (stage) => {
  const alice = await stage.signedOn('alice', 0)
  const bob = await stage.signedOn('bob', 1)
  const idle = await stage.signedOn('idle', 2)

  const { mo, mt } = await establish(alice, bob)
  await Promise.all([alice, bob, idle].map(livesOn))
  await hangUp(mo, mt)
})

async function livesOn(phone) {
  const patience = phone.state.keepalive_interval * (INTERVALS + 3)
  const echoes = () => phone.journal.keepalives('received').length
  await until(`${phone.name} waits for ${INTERVALS} echoes`, () => (echoes() >= INTERVALS ? true : undefined), patience)
}
