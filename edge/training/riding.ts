/** Riding at 100 Hz: speed, course and slope of a real ride, with a road under it and what happens every day on top. */
import { MotionDraft, samplesPerSecond } from './motion.ts';
import { between, choose, normal, type Random, sign } from './randomness.ts';
import type { Ride } from './recordings.ts';
import { drawStretches, drawSuspension, gravityMetresPerSecond2, kerb, type Obstacle, pothole, ridenRoad, speedBump } from './road.ts';

/** What a detector must not take for a crash, and how often an hour of riding has it. Set by judgement, on the rough side. */
export const everydayPerHour = {
  pothole: 30, 'kerb-up': 8, 'kerb-down': 8, 'speed-bump': 6, 'hard-braking': 8, 'locked-wheel': 3, hop: 2, 'knock-by-hand': 10, wobble: 3, 'bump-at-walking-pace': 2, 'set-down': 2, 'dropped-while-standing': 1, kick: 1,
} as const;
export type EverydayKind = keyof typeof everydayPerHour;
export const everydayKinds = Object.keys(everydayPerHour) as [EverydayKind, ...EverydayKind[]];

export interface EverydayEvent {
  kind: EverydayKind;
  atSecond: number;
}

/** Each kind by itself, at random times (Poisson). */
export function drawEveryday(random: Random, seconds: number): EverydayEvent[] {
  return everydayKinds.flatMap((kind) => {
    const events: EverydayEvent[] = [];
    const meanSeconds = 3600 / everydayPerHour[kind];
    for (let atSecond = -Math.log(1 - random()) * meanSeconds; atSecond < seconds - 3; atSecond += -Math.log(1 - random()) * meanSeconds) events.push({ kind, atSecond });
    return events;
  });
}

/** Straight lines between the fixes, rounded over about a second. */
function resampled(ride: Ride, values: readonly number[], fromSecond: number, count: number): Float32Array {
  const row = new Float32Array(count);
  let fix = 0;
  for (let sample = 0; sample < count; sample++) {
    const second = fromSecond + sample / samplesPerSecond;
    while (fix + 2 < ride.timesS.length && (ride.timesS[fix + 1] as number) <= second) fix++;
    const [start, end] = [ride.timesS[fix] as number, ride.timesS[fix + 1] as number];
    const share = Math.max(0, Math.min(1, (second - start) / (end - start)));
    row[sample] = (values[fix] as number) * (1 - share) + (values[fix + 1] as number) * share;
  }
  for (let pass = 0; pass < 2; pass++) {
    let slow = row[0] as number;
    for (let sample = 0; sample < count; sample++) row[sample] = slow += ((row[sample] as number) - slow) * 0.03;
  }
  return row;
}

const clamp = (value: number, limit: number): number => Math.max(-limit, Math.min(limit, value));

/** Speed falls by up to the grip of the tyres for a while, then comes back to what the ride says. */
function brake(random: Random, draft: MotionDraft, { kind, atSecond }: EverydayEvent): void {
  const [seconds, deceleration] = [between(random, 0.5, 1.6), between(random, 3, 7.5)];
  const backSeconds = between(random, 1.5, 3);
  const speed = draft.wheel[Math.round(atSecond * samplesPerSecond)] ?? 0;
  const lost = Math.min(speed, deceleration * seconds);
  const braking = Math.max(0.1, lost / deceleration);
  draft.add(draft.wheel, atSecond, atSecond + braking, (share, before) => -Math.min(before, lost * share));
  draft.add(draft.wheel, atSecond + braking, atSecond + braking + backSeconds, (share, before) => -Math.min(before, lost * (1 - share)));
  if (lost < 0.5) return;
  draft.add(draft.pitchDegrees, atSecond, atSecond + braking + 0.3, (share) => -between(random, 1.9, 2.1) * Math.sin(Math.PI * share));
  if (kind === 'locked-wheel') {
    draft.add(draft.rollDegrees, atSecond, atSecond + braking, (share) => 6 * Math.sin(Math.PI * share));
    draft.rattle(random, atSecond, atSecond + braking, () => between(random, 0.1, 0.4));
  }
}

/** The wheel stands while the vehicle slides on; only its sensor sees it. */
function lockWheel(random: Random, draft: MotionDraft, atSecond: number): void {
  draft.add(draft.wheel, atSecond, atSecond + between(random, 0.2, 0.6), (_, before) => -before);
}

function dropWhileStanding(random: Random, draft: MotionDraft, atSecond: number): void {
  const [side, seconds] = [sign(random), between(random, 0.6, 1.1)];
  const angle = between(random, 65, 92);
  const until = draft.count / samplesPerSecond;
  draft.add(draft.rollDegrees, atSecond, atSecond + seconds, (share) => side * angle * (Math.exp(3.5 * share) - 1) / (Math.exp(3.5) - 1));
  const lyingSeconds = Math.min(until, atSecond + seconds + between(random, 2, 10));
  draft.add(draft.rollDegrees, atSecond + seconds, lyingSeconds, () => side * angle);
  draft.add(draft.rollDegrees, lyingSeconds, lyingSeconds + 1.5, (share) => side * angle * (1 - share));
  const landing = between(random, 1, 2.6);
  draft.blow(random, atSecond + seconds, { speedChange: landing, seconds: between(random, 0.015, 0.06), direction: [between(random, -0.2, 0.2), -side, between(random, -0.1, 0.4)] });
  draft.blow(random, atSecond + seconds + between(random, 0.1, 0.25), { speedChange: landing * between(random, 0.15, 0.4), seconds: between(random, 0.015, 0.05), direction: [0, -side, 0.2] });
}

/** Those that need a standing vehicle have it stand. */
const standingKinds: ReadonlySet<EverydayKind> = new Set(['set-down', 'dropped-while-standing', 'kick', 'bump-at-walking-pace']);

function stand(draft: MotionDraft, { kind, atSecond }: EverydayEvent): void {
  const pace = kind === 'bump-at-walking-pace' ? 1 : 0;
  draft.add(draft.wheel, atSecond - 4, atSecond, (share, before) => -Math.max(0, before - pace) * Math.min(1, share * 1.6));
  draft.add(draft.wheel, atSecond, atSecond + 6, (_, before) => -before);
  draft.add(draft.wheel, atSecond + 6, atSecond + 10, (share, before) => -before * (1 - share));
}

const happenings: Record<EverydayKind, (random: Random, draft: MotionDraft, event: EverydayEvent) => void> = {
  pothole: () => undefined,
  'kerb-up': (random, draft, { atSecond }) => draft.blow(random, atSecond, { speedChange: between(random, 0.05, 0.45), seconds: between(random, 0.02, 0.05), direction: [-1, 0, 0.3] }),
  'kerb-down': () => undefined,
  'speed-bump': () => undefined,
  'hard-braking': () => undefined,
  'locked-wheel': (random, draft, { atSecond }) => lockWheel(random, draft, atSecond),
  hop(random, draft, { atSecond }) {
    const seconds = between(random, 0.12, 0.4);
    draft.add(draft.support, atSecond, atSecond + seconds, () => -1);
    draft.blow(random, atSecond - 0.12, { speedChange: (seconds / 2) * gravityMetresPerSecond2, seconds: 0.12, direction: [0, 0, 1], ringing: 0.1 });
    draft.blow(random, atSecond + seconds, { speedChange: (seconds / 2) * gravityMetresPerSecond2, seconds: between(random, 0.05, 0.12), direction: [between(random, -0.2, 0), 0, 1] });
  },
  'knock-by-hand': (random, draft, { atSecond }) => draft.blow(random, atSecond, { speedChange: between(random, 0.1, 0.6), seconds: between(random, 0.006, 0.02), direction: [normal(random), normal(random), normal(random)] }),
  wobble(random, draft, { atSecond }) {
    const [hertz, degrees, seconds] = [between(random, 1.2, 3), between(random, 3, 11), between(random, 0.8, 2)];
    draft.add(draft.rollDegrees, atSecond, atSecond + seconds, (share) => degrees * Math.sin(Math.PI * share) * Math.sin(2 * Math.PI * hertz * seconds * share));
    draft.add(draft.yawDegreesPerSecond, atSecond, atSecond + seconds, (share) => 5 * degrees * Math.sin(Math.PI * share) * Math.cos(2 * Math.PI * hertz * seconds * share));
  },
  'bump-at-walking-pace': (random, draft, { atSecond }) => draft.blow(random, atSecond, { speedChange: between(random, 0.4, 1.3), seconds: between(random, 0.03, 0.1), direction: [-1, between(random, -0.3, 0.3), between(random, -0.1, 0.3)] }),
  'set-down'(random, draft, { atSecond }) {
    draft.blow(random, atSecond, { speedChange: between(random, 0.4, 1.5), seconds: between(random, 0.02, 0.07), direction: [between(random, -0.3, 0.3), between(random, -0.3, 0.3), 1] });
    draft.add(draft.pitchDegrees, atSecond - 0.6, atSecond, (share) => between(random, 14, 15) * Math.sin(Math.PI * share));
  },
  'dropped-while-standing': (random, draft, { atSecond }) => dropWhileStanding(random, draft, atSecond),
  kick: (random, draft, { atSecond }) => draft.blow(random, atSecond, { speedChange: between(random, 0.3, 1.2), seconds: between(random, 0.02, 0.06), direction: [between(random, -0.5, 0.5), sign(random), 0.1] }),
};

const obstacleOf: Partial<Record<EverydayKind, (random: Random, atSecond: number) => Obstacle>> = {
  pothole, 'speed-bump': speedBump, 'kerb-up': (random, atSecond) => kerb(random, atSecond, true), 'kerb-down': (random, atSecond) => kerb(random, atSecond, false),
};

/** Pedalling, steering and shifting about: what a rider does all the time. */
function ride(random: Random, draft: MotionDraft, speeds: Float32Array, isBike: boolean): void {
  const [cadence, swayDegrees, steerHertz] = [between(random, 0.8, 1.5), between(random, 0.5, isBike ? 4 : 2), between(random, 0.3, 0.9)];
  for (let sample = 0; sample < draft.count; sample++) {
    const moving = Math.min(1, (speeds[sample] as number) / 2);
    const second = sample / samplesPerSecond;
    draft.rollDegrees[sample] = (draft.rollDegrees[sample] as number) + moving * swayDegrees * Math.sin(2 * Math.PI * cadence * second) * (isBike ? 1 : 0.5);
    draft.yawDegreesPerSecond[sample] = (draft.yawDegreesPerSecond[sample] as number) + moving * swayDegrees * 3 * Math.sin(2 * Math.PI * steerHertz * second + 1);
    draft.forceG[0][sample] = (draft.forceG[0][sample] as number) + moving * (isBike ? 0.03 : 0.01) * Math.sin(4 * Math.PI * cadence * second);
  }
}

/**
 * @param fromSecond where in the ride to begin
 * @param events times from the beginning of the section
 */
export function ridingSection(random: Random, recorded: Ride, fromSecond: number, seconds: number, events: readonly EverydayEvent[]): MotionDraft {
  const count = Math.round(seconds * samplesPerSecond);
  const draft = new MotionDraft(count);
  const [course, height] = [resampled(recorded, recorded.coursesDegrees, fromSecond, count), resampled(recorded, recorded.heightsMetres, fromSecond, count)];
  draft.wheel.set(resampled(recorded, recorded.speedsMetresPerSecond, fromSecond, count));
  for (const event of events) {
    if (standingKinds.has(event.kind)) stand(draft, event);
    if (event.kind === 'hard-braking' || event.kind === 'locked-wheel') brake(random, draft, event);
  }
  const speeds = draft.wheel.slice();
  const obstacles = events.flatMap(({ kind, atSecond }) => obstacleOf[kind]?.(random, atSecond) ?? []);
  const road = ridenRoad(random, drawSuspension(random, recorded.vehicle), speeds, drawStretches(random, seconds), obstacles);
  const [alongShare, sideShare, wheelbaseMetres] = [between(random, 0.1, 0.35), between(random, 0.1, 0.35), between(random, 0.85, 1.15)];
  for (let sample = 0; sample < count; sample++) {
    const before = Math.max(0, sample - 1);
    const speed = speeds[sample] as number;
    const acceleration = clamp((speed - (speeds[before] as number)) * samplesPerSecond, 8);
    const turn = speed > 0.5 ? clamp(((course[sample] as number) - (course[before] as number)) * samplesPerSecond, 60) : 0;
    const slope = speed > 1 ? clamp(((height[sample] as number) - (height[before] as number)) * samplesPerSecond / speed, 0.12) : 0;
    draft.yawDegreesPerSecond[sample] = (draft.yawDegreesPerSecond[sample] as number) - turn;
    draft.leanDegrees[sample] = (Math.atan((speed * turn * Math.PI) / 180 / gravityMetresPerSecond2) * 180) / Math.PI;
    draft.pitchDegrees[sample] = (draft.pitchDegrees[sample] as number) + (Math.atan(slope) * 180) / Math.PI + (road[sample] as number) * (0.6 / wheelbaseMetres);
    // A wheel on an edge pushes back as well as up, and frames are not straight.
    draft.forceG[0][sample] = (draft.forceG[0][sample] as number) + acceleration / gravityMetresPerSecond2 + alongShare * (road[before] as number) * (0.6 + 0.8 * random()) - 0.15 * Math.max(0, road[sample] as number);
    draft.forceG[1][sample] = (draft.forceG[1][sample] as number) + sideShare * (road[before] as number) * (random() - 0.5) * 2;
    draft.forceG[2][sample] = (draft.forceG[2][sample] as number) + (road[sample] as number);
  }
  ride(random, draft, speeds, recorded.vehicle === 'bike');
  for (const event of events) happenings[event.kind](random, draft, event);
  return draft;
}

/** An event of one kind at this time. */
export const oneEvent = (random: Random, atSecond: number, kind: EverydayKind = choose(random, everydayKinds)): EverydayEvent => ({ kind, atSecond });
