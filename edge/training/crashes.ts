/**
 * Crashes from stated physics over riding. No recording of a vehicle's crash with an open licence was found, so these are
 * generated, and every figure from them is a figure about generated crashes. Parameters and where they come from:
 * edge/models/collision.card.md.
 */
import { type MotionDraft, samplesPerSecond } from './motion.ts';
import { between, choose, type Random, sign } from './randomness.ts';
import { gravityMetresPerSecond2 } from './road.ts';

export const crashTypes = ['frontal', 'side', 'rear', 'fall'] as const;
export type CrashType = (typeof crashTypes)[number];
export const severities = ['light', 'medium', 'severe'] as const;
export type Severity = (typeof severities)[number];

/** Change of speed by the blow; for a fall, the speed at which grip is lost. In m/s. */
export const severityRange: Record<Severity, readonly [from: number, to: number]> = { light: [1.5, 3], medium: [3, 5], severe: [5, 9] };

export interface CrashPlan {
  type: CrashType;
  severity: Severity;
  atSecond: number;
  /** Makes blows and falls longer than training has seen; 1 is as trained. */
  stretch?: number;
  /** How long the motion of the ride takes to fade; as trained it ends at once, and lean and turn with a jump. */
  fadeSeconds?: number;
}

export interface Crash {
  plan: CrashPlan;
  /** When the vehicle is first hit, by a vehicle, an obstacle or the ground. */
  impactSecond: number;
  speedChange: number;
}

/** Free fall of the frame onto its side, as an inverted pendulum; then a blow by the ground, bounces, sliding, lying. */
function fallOver(random: Random, draft: MotionDraft, atSecond: number, speed: number, side: number, stretch: number): number {
  const seconds = between(random, 0.35, 0.75) * stretch;
  const angle = between(random, 70, 95);
  const steepness = between(random, 2, 3.5);
  const landSecond = atSecond + seconds;
  const fallen = (share: number): number => (Math.exp(steepness * share) - 1) / (Math.exp(steepness) - 1);
  draft.add(draft.rollDegrees, atSecond, landSecond, (share, before) => (side * angle - before) * fallen(share));
  draft.add(draft.support, atSecond, landSecond, (share) => -0.7 * share * share);
  const settled = side * (angle + between(random, -4, 4));
  draft.add(draft.rollDegrees, landSecond, draft.count / samplesPerSecond, (_, before) => settled - before);
  // The middle of the frame falls from 0.3 to 0.7 m, braked by rider and wheels.
  const landing = Math.sqrt(2 * gravityMetresPerSecond2 * between(random, 0.3, 0.7)) * between(random, 0.6, 1);
  const into: [number, number, number] = [between(random, -0.4, 0.1), -side, between(random, 0, 0.5)];
  draft.blow(random, landSecond, { speedChange: landing, seconds: between(random, 0.015, 0.06) * stretch, direction: into });
  const bounce = between(random, 0.15, 0.45);
  draft.blow(random, landSecond + (2 * bounce * landing) / gravityMetresPerSecond2 + 0.02, { speedChange: landing * bounce, seconds: between(random, 0.015, 0.05) * stretch, direction: into });
  const friction = between(random, 0.3, 0.6);
  const slideSeconds = speed / (friction * gravityMetresPerSecond2);
  const roughness = between(random, 0.2, 0.9);
  draft.add(draft.forceG[0], landSecond, landSecond + slideSeconds, () => -friction);
  draft.rattle(random, landSecond, landSecond + slideSeconds, (share) => roughness * Math.sqrt(1 - share));
  const turn = between(random, -140, 140);
  draft.add(draft.yawDegreesPerSecond, landSecond, landSecond + slideSeconds, (share) => turn * (1 - share));
  return landSecond;
}

/** After it nothing of the ride goes on: no road, no pedalling. */
function endRide(draft: MotionDraft, atSecond: number, fadeSeconds: number): void {
  const from = Math.round(atSecond * samplesPerSecond);
  for (const row of [...draft.forceG, draft.leanDegrees, draft.yawDegreesPerSecond]) {
    for (let sample = from; sample < draft.count; sample++) row[sample] = fadeSeconds > 0 ? (row[sample] as number) * Math.exp((from - sample) / samplesPerSecond / fadeSeconds) : 0;
  }
  draft.support.fill(1, from);
  for (const row of [draft.rollDegrees, draft.pitchDegrees]) row.fill(row[Math.max(0, from - 1)] ?? 0, from);
}

/** The wheel stops, spins free in the air or goes on with the vehicle. */
function wheelAfter(random: Random, draft: MotionDraft, atSecond: number, speedAfter: number, seconds: number): void {
  const end = draft.count / samplesPerSecond;
  const speed = draft.wheel[Math.round(atSecond * samplesPerSecond)] ?? 0;
  const kind = choose(random, ['stops', 'follows', 'spins'] as const);
  const [target, within] = kind === 'stops' ? [0, between(random, 0.03, 0.3)] : kind === 'follows' ? [Math.max(0, speedAfter), seconds] : [speed + between(random, 0, 5), between(random, 0.1, 0.4)];
  const fade = between(random, 1, 4);
  draft.add(draft.wheel, atSecond, atSecond + within, (share, before) => (target - before) * share);
  draft.add(draft.wheel, atSecond + within, end, (share, before) => target * Math.exp((-share * end) / fade) - before);
}

const directionOf: Record<Exclude<CrashType, 'fall'>, (random: Random, side: number) => [number, number, number]> = {
  frontal: (random) => [-1, between(random, -0.35, 0.35), between(random, -0.2, 0.6)],
  side: (random, side) => [between(random, -0.5, 0.3), side, between(random, -0.2, 0.4)],
  rear: (random) => [1, between(random, -0.35, 0.35), between(random, -0.1, 0.5)],
};

/** Turns that a blow off the middle gives: most about the axis across it. */
function turnBy(random: Random, draft: MotionDraft, type: Exclude<CrashType, 'fall'>, atSecond: number, seconds: number, speedChange: number, side: number): void {
  const degrees = between(random, 1, 7) * speedChange;
  const until = atSecond + seconds + between(random, 0.1, 0.3);
  const end = draft.count / samplesPerSecond;
  const [row, way] = type === 'side' ? [draft.rollDegrees, -side] : [draft.pitchDegrees, type === 'frontal' ? -1 : 1];
  draft.add(row, atSecond, until, (share) => way * degrees * Math.sin((Math.PI / 2) * share));
  draft.add(row, until, end, (share) => way * degrees * Math.exp(-share * 12));
  const spin = between(random, -60, 60) * speedChange;
  draft.add(draft.yawDegreesPerSecond, atSecond, until, (share) => spin * Math.sin(Math.PI * share));
}

/** Writes a crash into the draft of a ride; the ride ends there. */
export function crash(random: Random, draft: MotionDraft, plan: CrashPlan): Crash {
  const { type, severity, atSecond, stretch = 1, fadeSeconds = 0 } = plan;
  const [from, most] = severityRange[severity];
  // Who hits something or slips has no more speed to lose than the ride has, but for a rebound.
  const ridden = draft.wheel[Math.round(atSecond * samplesPerSecond)] ?? 0;
  const to = type === 'frontal' || type === 'fall' ? Math.max(from * 1.05, Math.min(most, ridden * 1.1)) : most;
  const side = sign(random);
  if (type === 'fall') {
    const slipSecond = atSecond;
    const speed = between(random, from, to);
    endRide(draft, slipSecond, fadeSeconds);
    wheelAfter(random, draft, slipSecond, 0, between(random, 0.2, 0.6));
    draft.rattle(random, slipSecond, slipSecond + 0.3, () => between(random, 0.05, 0.3));
    const impactSecond = fallOver(random, draft, slipSecond, speed, side, stretch);
    return { plan, impactSecond, speedChange: speed };
  }
  const speedChange = between(random, from, to);
  // Between bodies that give way (another vehicle, arms and legs first) and ones that do not (wall, post, kerb).
  const seconds = between(random, 0.04, 0.15) * stretch;
  endRide(draft, atSecond, fadeSeconds);
  draft.blow(random, atSecond, { speedChange, seconds, direction: directionOf[type](random, side), haversine: random() < 0.5, ringing: between(random, 0.15, 0.6) });
  wheelAfter(random, draft, atSecond, type === 'rear' ? speedChange : 0, seconds);
  turnBy(random, draft, type, atSecond, seconds, speedChange, side);
  const staysUp = severity === 'light' ? 0.35 : severity === 'medium' ? 0.12 : 0.03;
  if (random() >= staysUp) fallOver(random, draft, atSecond + seconds + between(random, 0.05, 0.4), speedChange * between(random, 0.2, 0.8), sign(random), stretch);
  else draft.rattle(random, atSecond + seconds, atSecond + seconds + 0.8, (share) => 0.3 * (1 - share));
  return { plan, impactSecond: atSecond, speedChange };
}
