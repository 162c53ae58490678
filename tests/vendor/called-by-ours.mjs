// The vendor's phone answers a simulated caller, again and again, until it is told (SIGTERM) that no more calls come.
//
// From the environment besides: WTSP_CALLER, the number that calls. Says `ready` on stderr once it is signed on.

import { scenario } from './lib/scenario.mjs'
import { NORMAL_END, answer } from './lib/steps.mjs'
import { END_AS_BROWSERS_SAY_IT } from './lib/media.mjs'
import { sleep } from './lib/waiting.mjs'

const LONGEST_HOLD_MS = 10_000
const GLANCE_MS = 10

let over = false
process.on('SIGTERM', () => { over = true })

await scenario('called-by-ours', async (stage) => {
  const vendor = await stage.signedOn('vendor', 0)
  process.stderr.write('ready\n')

  while (!over) {
    if (vendor.hasIncoming()) await talk(await vendor.incomingFrom(process.env.WTSP_CALLER))
    else await sleep(GLANCE_MS)
  }
})

async function talk({ leg, jsep }) {
  await answer(leg, jsep)
  await leg.trickle(END_AS_BROWSERS_SAY_IT)
  await leg.expectOver(NORMAL_END, LONGEST_HOLD_MS)
}
