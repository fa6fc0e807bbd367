/**
 * The other process of the contract suite: `node conformance-child.ts MODULE LOCATION append|consume`.
 * `append` writes three events at a time for each of ten keys and prints the ids that were acknowledged;
 * `consume` is a member of the group `readers` and prints each batch with when it began and ended, in
 * milliseconds of the machine's monotonic clock.
 */
import { eventOf } from './conformance-events.ts';
import type { EventLog } from './port.ts';

const [module, location, command] = process.argv.slice(2);
const { openAt } = (await import(String(module))) as { openAt(location: string): Promise<EventLog> };
const log = await openAt(String(location));
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function appendForEver(key: string): Promise<void> {
  for (let number = 0; ; number += 3) {
    await log.append('things', [0, 1, 2].map((further) => eventOf(key, number + further)));
    say({ key, acknowledged: number + 3 });
  }
}

if (command === 'append') {
  await Promise.all(Array.from({ length: 10 }, (_, index) => appendForEver(`key-${index}`)));
} else {
  log.subscribe({
    group: 'readers', topics: ['things'], maximumBatch: 5,
    async handle(events) {
      const beganAtMs = monotonicMs();
      await new Promise((resolve) => setTimeout(resolve, 5));
      say({ beganAtMs, endedAtMs: monotonicMs(), ids: events.map(({ id }) => id) });
    },
  });
}
