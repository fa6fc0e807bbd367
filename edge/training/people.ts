/** A few recordings of people falling and moving: no vehicles, so a smoke test of the reading of real sensors and no more. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CollisionModel } from '../detection/collision.ts';
import { verdictsOf } from './collision-evaluation.ts';
import type { Trace } from './motion.ts';

/** The sensor hangs with its y axis up: that becomes z. Its wheel stands still. */
function readTrace(text: string): Trace {
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const names = header.split(',');
  const columns = ['acc_z_mg', 'acc_x_mg', 'acc_y_mg', 'gyro_z_dps', 'gyro_x_dps', 'gyro_y_dps'].map((name) => names.indexOf(name));
  const rows = lines.map((line) => line.split(',')).filter((cells) => columns.every((column) => Number.isFinite(Number(cells[column] || 'none'))));
  const motion = Float32Array.from(rows.flatMap((cells) => columns.map((column, channel) => Number(cells[column]) / (channel < 3 ? 1000 : 1))));
  return { motion, wheel: new Float32Array(rows.length) };
}

/** @returns figures of each recording: the highest probability, and what was said */
export function judgePeople(folder: string, model: CollisionModel): object[] {
  return readdirSync(folder).filter((name) => name.endsWith('.csv')).toSorted().map((name) => {
    const trace = readTrace(readFileSync(join(folder, name), 'utf8'));
    let highest = 0;
    const verdicts = verdictsOf(trace, model, (probability) => (highest = Math.max(highest, probability)));
    return { person: name.replace('.csv', ''), samples: trace.wheel.length, highestProbability: Number(highest.toFixed(3)), verdicts: verdicts.length };
  });
}
