/** Sections to learn from and recordings to be judged by: riding with everyday events, and with crashes. */
import { type Crash, crash, type CrashPlan, type CrashType, crashTypes, severities, type Severity, severityRange } from './crashes.ts';
import { type Mounting, ordinaryMounting, samplesPerSecond, type Trace } from './motion.ts';
import { between, choose, type Random } from './randomness.ts';
import { durationSecondsOf, type Ride } from './recordings.ts';
import { drawEveryday, type EverydayKind, everydayKinds, oneEvent, ridingSection } from './riding.ts';

export interface Section {
  /** [time][six channels], as sensed. */
  motion: Float32Array;
  /** Of every time: 1 crash, 0 none, -1 does not count. */
  targets: Int8Array;
}

export interface CrashScene {
  trace: Trace;
  crash: Crash;
  rideId: string;
}

const weighted = (random: Random, rides: readonly Ride[]): Ride => {
  let left = random() * rides.reduce((sum, ride) => sum + durationSecondsOf(ride), 0);
  const found = rides.find((ride) => (left -= durationSecondsOf(ride)) <= 0) ?? rides[0];
  if (!found) throw new Error('there are no rides');
  return found;
};

function speedAt({ timesS, speedsMetresPerSecond }: Ride, second: number): number {
  const after = timesS.findIndex((time) => time >= second);
  return speedsMetresPerSecond[after < 0 ? timesS.length - 1 : after] ?? 0;
}

/** A place in a ride that fits: crashes need speed, but for one from behind, which also meets those who wait. */
function placeOf(random: Random, rides: readonly Ride[], seconds: number, atSecond: number, needed: number): { ride: Ride; fromSecond: number } {
  let best = { ride: weighted(random, rides), fromSecond: 0, speed: -1 };
  for (let attempt = 0; attempt < 40 && best.speed < needed; attempt++) {
    const ride = weighted(random, rides);
    const fromSecond = between(random, 0, Math.max(0, durationSecondsOf(ride) - seconds));
    const speed = speedAt(ride, fromSecond + atSecond);
    if (speed > best.speed) best = { ride, fromSecond, speed };
  }
  return best;
}

/** @param aftermathSeconds how long it goes on after the crash begins */
export function crashScene(random: Random, rides: readonly Ride[], type: CrashType, severity: Severity, leadSeconds: number, aftermathSeconds: number, mounting: Mounting = ordinaryMounting, shape: Pick<CrashPlan, 'stretch' | 'fadeSeconds'> = {}): CrashScene {
  const seconds = leadSeconds + aftermathSeconds;
  const needed = type === 'rear' ? (random() < 0.3 ? 0 : 2) : type === 'side' ? 1.5 : severityRange[severity][0];
  const { ride, fromSecond } = placeOf(random, rides, seconds, leadSeconds, needed);
  // Many brake before they crash.
  const events = random() < 0.35 ? [oneEvent(random, Math.max(0, leadSeconds - between(random, 0.3, 1.2)), 'hard-braking')] : [];
  const draft = ridingSection(random, ride, fromSecond, seconds, events);
  const happened = crash(random, draft, { type, severity, atSecond: leadSeconds, ...shape });
  return { trace: draft.sensed(random, mounting), crash: happened, rideId: ride.id };
}

/** The impact must be seen for this long before a verdict is asked for, and is one for this long. */
const [unclearSeconds, clearSeconds] = [0.03, 0.7];

export function crashSection(random: Random, rides: readonly Ride[], times: number, receptiveField: number): Section {
  const type = choose(random, crashTypes);
  // A fall has its impact after half a second of falling.
  const leadSeconds = between(random, 1.3, 1.6) - (type === 'fall' ? 0.45 : 0);
  const { trace, crash: happened } = crashScene(random, rides, type, choose(random, severities), leadSeconds, times / samplesPerSecond - leadSeconds, { ...ordinaryMounting, misalignmentDegrees: 5 });
  const at = (second: number) => Math.round(second * samplesPerSecond);
  const targets = new Int8Array(times).fill(-1);
  targets.fill(0, receptiveField, at(happened.plan.atSecond));
  targets.fill(1, at(happened.impactSecond + unclearSeconds), at(happened.impactSecond + clearSeconds));
  return { motion: trace.motion.subarray(0, times * 6), targets };
}

/** Without a crash: any time of a ride, or an everyday event where the network can see it. */
export function everydaySection(random: Random, rides: readonly Ride[], times: number, receptiveField: number): Section {
  const seconds = times / samplesPerSecond;
  const { ride, fromSecond } = placeOf(random, rides, seconds, seconds / 2, random() < 0.8 ? 1.5 : 0);
  const kind: EverydayKind | undefined = random() < 0.75 ? choose(random, everydayKinds) : undefined;
  const events = kind ? [oneEvent(random, between(random, 0.9, seconds - 0.6), kind)] : [];
  const trace = ridingSection(random, ride, fromSecond, seconds, events).sensed(random, { ...ordinaryMounting, misalignmentDegrees: 5 });
  const targets = new Int8Array(times).fill(0);
  targets.fill(-1, 0, receptiveField);
  return { motion: trace.motion, targets };
}

/** A whole ride with everyday events at their rates. */
export function wholeRide(random: Random, ride: Ride, mounting: Mounting = ordinaryMounting): Trace {
  const seconds = durationSecondsOf(ride);
  return ridingSection(random, ride, 0, seconds, drawEveryday(random, seconds)).sensed(random, mounting);
}
