/** `npm run simulate -- --seed S --steps N [--log]`: replays a seed, or tries many: `--seeds 100`. Exit code 1 when an invariant is broken. */
import { parseArgs } from 'node:util';
import { simulate } from './simulate.ts';

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, seeds: { type: 'string', default: '1' }, steps: { type: 'string', default: '300' }, log: { type: 'boolean', default: false } } });
const first = Number(values.seed);
let failed = 0;
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const begun = performance.now();
  const { digest, lines, broken, bookings, trouble, steps } = await simulate(seed, Number(values.steps));
  if (values.log) process.stdout.write(`${lines.join('\n')}\n`);
  process.stdout.write(`${JSON.stringify({ seed, steps, digest, bookings, trouble, broken, seconds: Number(((performance.now() - begun) / 1000).toFixed(1)) })}\n`);
  if (broken.length > 0) {
    failed += 1;
    process.stderr.write(`replay: npm run simulate -- --seed ${seed} --steps ${steps} --log\n`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;
