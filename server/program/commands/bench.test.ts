import { expect, test } from 'vitest';
import { listBenches } from './bench.ts';

test('every benchmark says in a line what it measures', async () => {
  const benches = await listBenches();
  expect(benches.map(({ name }) => name)).toEqual(expect.arrayContaining(['ride', 'telemetry', 'memory']));
  for (const { name, summary } of benches) {
    expect(summary.length, name).toBeGreaterThan(20);
    expect(summary.length, `${name}: ${summary}`).toBeLessThan(140);
  }
});
