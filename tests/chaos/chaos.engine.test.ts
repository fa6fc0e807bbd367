/** A short run of `npm run chaos` on engines: a process, the broker and the provider of payments go, and nothing is lost. */
import { expect, test } from 'vitest';
import { openClusterTown } from './cluster-town.ts';
import { faultsOf } from './faults.ts';
import { ChaosRun } from './run.ts';

const seed = 20_261_127;
const faults = ['kill-booking-1', 'redis-flush', 'broker-gone', 'stripe-down', 'repeated-messages'];
const limitMs = 15 * 60_000;

test('a city of many processes survives what breaks, and adds up', { timeout: limitMs }, async () => {
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const town = await openClusterTown({ seed, vehicles: 20, say });
  const run = new ChaosRun({ town, seed, riders: 4, say });
  try {
    const chosen = faults.map((name) => faultsOf(town).find((fault) => fault.name === name));
    for (const [index, fault] of chosen.entries()) {
      if (!fault) throw new Error(`there is no fault ${faults[index]}`);
      const result = await run.round(index + 1, fault, 1_000);
      expect(result.broken, `seed ${seed}, ${fault.name}\n${said.join('\n')}\n${town.output()}`).toEqual([]);
      expect(result.recoveredMs).not.toBeNull();
      expect(result.bookings).toBeGreaterThan(0);
    }
  } finally {
    run.stop();
    await town.close();
  }
});
