/** `npm run chaos`: breaks a city under load in every way that is known, and then at random. Exit code 1 when an invariant is broken. */
import { parseArgs } from 'node:util';
import { pick, randomFor } from '../../simulator/randomness.ts';
import { openClusterTown } from './cluster-town.ts';
import { openEmbeddedTown } from './embedded-town.ts';
import { type Fault, faultsOf } from './faults.ts';
import { table } from './report.ts';
import { ChaosRun, type RoundResult } from './run.ts';

const { values } = parseArgs({
  options: {
    embedded: { type: 'boolean', default: false },
    faults: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '14' },
    riders: { type: 'string', default: '6' },
    vehicles: { type: 'string', default: '30' },
    list: { type: 'boolean', default: false },
  },
});
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const deadline = performance.now() + Number(values.minutes) * 60_000;
const calmMs = 2_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const tell = (entry: object): void => void process.stdout.write(`${JSON.stringify(entry)}\n`);

say(`seed ${seed}: npm run chaos -- --seed ${seed}${values.embedded ? ' --embedded' : ''} begins the same run`);
const vehicles = Number(values.vehicles);
const town = values.embedded ? await openEmbeddedTown({ seed, vehicles }) : await openClusterTown({ seed, vehicles, say });
// Whoever stops a run leaves no engine and no process of it behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void town.close().finally(() => process.exit(1)));
const run = new ChaosRun({ town, seed, riders: Number(values.riders), say });
const results: RoundResult[] = [];
try {
  const known = faultsOf(town);
  if (values.list) for (const { name, what } of known) tell({ fault: name, what });
  const wanted = values.faults?.split(',');
  const unknown = wanted?.filter((name) => !known.some((fault) => fault.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`there is no fault ${unknown.join(', ')}; there are ${known.map(({ name }) => name).join(', ')}`);
  const random = randomFor(seed, 'faults');
  const chosen = wanted ? known.filter(({ name }) => wanted.includes(name)) : known;
  const atRandom = Array.from({ length: Number(values.rounds) }, () => pick(random, chosen)).filter((fault): fault is Fault => fault !== undefined);
  for (const [index, fault] of (values.list ? [] : [...chosen, ...atRandom]).entries()) {
    if (performance.now() > deadline) {
      say(`${values.minutes} minutes are over: ${chosen.length + atRandom.length - index} rounds were not run`);
      break;
    }
    const result = await run.round(index + 1, fault, calmMs);
    results.push(result);
    tell(result);
    if (result.broken.length > 0) {
      say(town.output());
      break;
    }
  }
} finally {
  run.stop();
  await town.close();
}
if (!values.list) process.stdout.write(`\n${table(results)}\n`);
const broken = results.filter((result) => result.broken.length > 0);
if (broken.length > 0) say(`broken: ${JSON.stringify(broken.map(({ fault, broken: found }) => ({ fault, found })), undefined, 2)}\nseed ${seed}`);
process.exitCode = broken.length > 0 || results.length === 0 ? 1 : 0;
