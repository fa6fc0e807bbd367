/** The tamper detector of the agent over generated days of a parked vehicle. */
import { tamperDetector, type TamperModel } from '../detection/tamper.ts';
import type { TamperVerdict } from '../detection/port.ts';
import type { BodyState } from '../sensors/port.ts';
import { sampleOf } from './collision-evaluation.ts';
import type { Trace } from './motion.ts';
import { attacks, attackScene, type Attack, everydayPerDay, type ParkedKind, parkedKinds, parkedScene, stillSeconds } from './parked.ts';
import { randomFor } from './randomness.ts';

export const parkedBody: BodyState = { batteryPercent: 80, batteryPresent: true, enclosureClosed: true, pluggedIn: false, odometerMetres: 1000, wheelSpeedMetresPerSecond: 0 };

export function tamperVerdictsOf(trace: Trace, model: TamperModel | undefined, onScore?: (score: number) => void, body: BodyState = parkedBody): TamperVerdict[] {
  const detector = tamperDetector({ model, onScore });
  const said: TamperVerdict[] = [];
  for (let sample = 0; sample < trace.wheel.length; sample++) {
    const verdict = detector.push(sampleOf(trace, sample), body, true);
    if (verdict) said.push(verdict);
  }
  return said;
}

export interface AttackFigures {
  attack: Attack;
  hits: number;
  of: number;
  byModel: number;
  /** From its beginning to the first verdict. */
  delaysMs: number[];
}

export function judgeAttacks(seed: number, each: number, model: TamperModel | undefined): AttackFigures[] {
  return attacks.map((attack) => {
    const figures: AttackFigures = { attack, hits: 0, of: each, byModel: 0, delaysMs: [] };
    for (let index = 0; index < each; index++) {
      const [first] = tamperVerdictsOf(attackScene(randomFor(seed, `${attack} ${index}`), attack), model);
      if (!first) continue;
      figures.hits++;
      if (first.decidedBy === 'model') figures.byModel++;
      figures.delaysMs.push(first.atMs - stillSeconds * 1000);
    }
    return figures;
  });
}

/**
 * False alarms of days parked: every happening of a day is played; the stillness between them is not, because a still window
 * is never unusual (DETECTION-19).
 */
export function judgeDays(seed: number, days: number, model: TamperModel | undefined): { days: number; falseAlarms: number; byKind: Partial<Record<ParkedKind, number>> } {
  const byKind: Partial<Record<ParkedKind, number>> = {};
  let falseAlarms = 0;
  for (const kind of parkedKinds) {
    for (let index = 0; index < Math.round(days * everydayPerDay[kind]); index++) {
      const alarms = tamperVerdictsOf(parkedScene(randomFor(seed, `${kind} ${index}`), kind), model).length;
      falseAlarms += alarms;
      if (alarms > 0) byKind[kind] = (byKind[kind] ?? 0) + alarms;
    }
  }
  return { days, falseAlarms, byKind };
}
