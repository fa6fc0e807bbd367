/**
 * Grows the isolation forest of tampering from generated days of a parked vehicle, writes `edge/models/tamper.bin` and prints
 * its figures on days and attacks that it has not seen: `node edge/training/train-tamper.ts [--seed 1] [--evaluate]`.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadTamperModel } from '../detection/tamper.ts';
import { interval, percentileOf } from './collision-evaluation.ts';
import { judgeAttacks, judgeDays } from './tamper-evaluation.ts';
import { tamperFile, trainTamper } from './tamper-training.ts';

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, evaluate: { type: 'boolean', default: false } } });
const seed = Number(values.seed);
const path = fileURLToPath(new URL('../models/tamper.bin', import.meta.url));
const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ train: 'tamper', ...figures })}\n`);

const hash = createHash('sha256');
for (const name of ['forest-growing.ts', 'motion.ts', 'parked.ts', 'randomness.ts', 'tamper-evaluation.ts', 'tamper-training.ts', 'train-tamper.ts']) hash.update(readFileSync(new URL(name, import.meta.url)));
print({ seed, codeDigest: hash.digest('hex').slice(0, 16) });
if (!values.evaluate) {
  const file = tamperFile(trainTamper(seed, print));
  writeFileSync(path, file);
  print({ modelBytes: file.length });
}
const model = loadTamperModel(readFileSync(path));

for (const decider of ['rules', 'rules and model'] as const) {
  const used = decider === 'rules' ? undefined : model;
  const figures = judgeAttacks(seed + 1000, 60, used);
  const hits = figures.reduce((sum, row) => sum + row.hits, 0);
  const of = figures.reduce((sum, row) => sum + row.of, 0);
  const delays = figures.flatMap(({ delaysMs }) => delaysMs);
  const { days, falseAlarms, byKind } = judgeDays(seed + 1000, 10, used);
  print({
    unseen: decider, recall: Number((hits / of).toFixed(3)), interval: interval(hits, of).map((bound) => Number(bound.toFixed(3))), of, byAttack: Object.fromEntries(figures.map((row) => [row.attack, Number((row.hits / row.of).toFixed(2))])),
    delayMs: { p50: percentileOf(delays, 0.5), p99: percentileOf(delays, 0.99) }, daysParked: days, falseAlarms, falseAlarmsPerDay: Number((falseAlarms / days).toFixed(3)), byKind,
  });
}
