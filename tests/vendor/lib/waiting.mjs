// Waiting that always ends.

import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 5_000
const GLANCE_MS = 5

export { sleep }

/** Waits until `probe` returns something, and says what was waited for when it never does. */
export async function until(what, probe, patience = PATIENCE_MS) {
  const deadline = performance.now() + patience
  for (;;) {
    const found = probe()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patience} ms`)
    await sleep(GLANCE_MS)
  }
}
