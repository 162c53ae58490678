// The caller gives up while it rings.

import { scenario } from './lib/scenario.mjs'
import { ring } from './lib/steps.mjs'

const REQUEST_TERMINATED = 487

await scenario('cancelled-call', async (stage) => {
  const alice = await stage.signedOn('alice', 0)
  const bob = await stage.signedOn('bob', 1)

  const { mo, mt } = await ring(alice, bob)
  await mo.hangup()
  await mo.expect('hangingup')
  await Promise.all([
    mo.expect('hangup', { code: REQUEST_TERMINATED }),
    mt.expect('hangup', { code: REQUEST_TERMINATED }),
  ])
})
