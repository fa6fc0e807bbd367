/**
 * A parked, locked vehicle at 100 Hz: what passes by every day, and what thieves and vandals do. All of it is generated
 * from stated physics; no recording of a theft was found.
 */
import { MotionDraft, ordinaryMounting, samplesPerSecond, type Trace } from './motion.ts';
import { between, normal, type Random, sign } from './randomness.ts';
import { gravityMetresPerSecond2 } from './road.ts';

/** How often a day parked in a street has it. Set by judgement, on the busy side. */
export const everydayPerDay = { wind: 40, truck: 120, tram: 60, brush: 25, bump: 12, lean: 6, neighbour: 8, rain: 3, bag: 4, 'handlebar-turned': 4 } as const;
export type ParkedKind = keyof typeof everydayPerDay;
export const parkedKinds = Object.keys(everydayPerDay) as [ParkedKind, ...ParkedKind[]];

export const attacks = ['lifted-into-van', 'dragged', 'lock-cut', 'lock-hammered', 'shaken', 'carried-away', 'rolled-on-one-wheel'] as const;
export type Attack = (typeof attacks)[number];

type Happening = (random: Random, draft: MotionDraft, fromSecond: number, toSecond: number) => void;

/** A vehicle on its stand springs to and fro: a few hertz, dying away. */
function spring(random: Random, draft: MotionDraft, atSecond: number, strengthG: number): void {
  const [hertz, fade] = [between(random, 2, 6), between(random, 0.15, 0.6)];
  const degrees = strengthG * between(random, 1, 4);
  for (const [row, size] of [[draft.forceG[1], strengthG], [draft.rollDegrees, degrees]] as const) {
    draft.add(row, atSecond, atSecond + 5 * fade, (share) => size * Math.exp(-5 * share) * Math.sin(2 * Math.PI * hertz * 5 * fade * share));
  }
}

/** Noise from the ground whose strength swells and fades. */
function hum(random: Random, draft: MotionDraft, fromSecond: number, toSecond: number, strengthG: number): void {
  draft.rattle(random, fromSecond, toSecond, (share) => strengthG * Math.sin(Math.PI * share));
}

const everyday: Record<ParkedKind, Happening> = {
  wind(random, draft, from, to) {
    const [strength, hertz] = [between(random, 0.005, 0.06), between(random, 1, 4)];
    const gusts = between(random, 0.1, 0.5);
    draft.add(draft.rollDegrees, from, to, (share) => strength * 25 * Math.sin(Math.PI * share) * (0.4 + 0.6 * Math.sin(2 * Math.PI * gusts * (to - from) * share)) * Math.sin(2 * Math.PI * hertz * (to - from) * share));
    hum(random, draft, from, to, strength);
  },
  truck: (random, draft, from, to) => hum(random, draft, from, Math.min(to, from + between(random, 2, 6)), between(random, 0.01, 0.08)),
  tram: (random, draft, from, to) => hum(random, draft, from, Math.min(to, from + between(random, 5, 12)), between(random, 0.01, 0.05)),
  brush: (random, draft, from) => spring(random, draft, from, between(random, 0.05, 0.3)),
  bump(random, draft, from) {
    draft.blow(random, from, { speedChange: between(random, 0.1, 0.9), seconds: between(random, 0.02, 0.1), direction: [normal(random), 2 * normal(random), 0.3] });
    spring(random, draft, from + 0.05, between(random, 0.1, 0.6));
  },
  lean(random, draft, from, to) {
    const [degrees, end] = [sign(random) * between(random, 2, 10), Math.min(to, from + between(random, 5, 20))];
    draft.add(draft.rollDegrees, from, end, (share) => degrees * Math.min(1, 12 * share, 12 * (1 - share)));
    hum(random, draft, from, end, between(random, 0.01, 0.05));
  },
  neighbour(random, draft, from, to) {
    for (let second = from; second < Math.min(to, from + between(random, 4, 12)); second += between(random, 0.6, 3)) {
      draft.blow(random, second, { speedChange: between(random, 0.05, 0.4), seconds: between(random, 0.01, 0.05), direction: [normal(random), normal(random), 0.3] });
      spring(random, draft, second, between(random, 0.03, 0.25));
    }
  },
  rain: (random, draft, from, to) => draft.rattle(random, from, to, () => between(random, 0.005, 0.02)),
  bag(random, draft, from) {
    draft.blow(random, from, { speedChange: between(random, 0.1, 0.6), seconds: between(random, 0.03, 0.12), direction: [0.2, normal(random), -1] });
    spring(random, draft, from + 0.1, between(random, 0.05, 0.3));
  },
  'handlebar-turned'(random, draft, from) {
    const turn = sign(random) * between(random, 10, 60);
    draft.add(draft.yawDegreesPerSecond, from, from + 0.8, (share) => turn * Math.sin(2 * Math.PI * share));
    spring(random, draft, from, between(random, 0.03, 0.2));
  },
};

/** Hands hold the vehicle: it sways at steps, turns and tips. */
function handled(random: Random, draft: MotionDraft, from: number, to: number, { stepsHertz, strengthG, degrees }: { stepsHertz: number; strengthG: number; degrees: number }): void {
  const seconds = to - from;
  const phase = random() * 6;
  draft.add(draft.forceG[2], from, to, (share) => strengthG * Math.sin(2 * Math.PI * stepsHertz * seconds * share));
  draft.add(draft.forceG[0], from, to, (share) => 0.6 * strengthG * Math.sin(2 * Math.PI * stepsHertz * seconds * share + phase));
  draft.add(draft.rollDegrees, from, to, (share) => degrees * Math.sin(Math.PI * share) * Math.sin(2 * Math.PI * 0.25 * seconds * share + phase));
  draft.add(draft.pitchDegrees, from, to, (share) => 0.7 * degrees * Math.sin(Math.PI * share) * Math.sin(2 * Math.PI * 0.18 * seconds * share));
  const turn = between(random, 10, 45);
  draft.add(draft.yawDegreesPerSecond, from, to, (share) => turn * Math.sin(2 * Math.PI * 0.2 * seconds * share + phase));
  draft.rattle(random, from, to, () => 0.3 * strengthG);
}

const attackHappenings: Record<Attack, Happening> = {
  'lifted-into-van'(random, draft, from, to) {
    const end = Math.min(to, from + between(random, 4, 9));
    handled(random, draft, from, end, { stepsHertz: between(random, 1, 2), strengthG: between(random, 0.1, 0.35), degrees: between(random, 8, 28) });
    draft.blow(random, end, { speedChange: between(random, 0.3, 1.5), seconds: between(random, 0.03, 0.1), direction: [normal(random), normal(random), 1] });
  },
  dragged(random, draft, from, to) {
    const pitch = between(random, 3, 20);
    draft.add(draft.pitchDegrees, from, to, (share) => pitch * Math.min(1, 10 * share));
    draft.rattle(random, from, to, () => between(random, 0.1, 0.4));
    for (let second = from; second < to; second += between(random, 0.3, 1)) draft.blow(random, second, { speedChange: between(random, 0.1, 0.5), seconds: 0.03, direction: [1, normal(random), 0.4] });
  },
  'lock-cut'(random, draft, from, to) {
    // A grinder runs at 100 to 180 turns a second, which a 100 Hz sensor sees as noise, with a hand that presses and slips.
    const strength = between(random, 0.15, 0.8);
    for (let second = from; second < to; second += between(random, 3, 6)) {
      const end = Math.min(to, second + between(random, 2, 5));
      draft.rattle(random, second, end, () => strength * between(random, 0.6, 1));
      for (const row of draft.forceG) draft.add(row, second, end, () => 0.5 * strength * normal(random));
      spring(random, draft, end, between(random, 0.05, 0.3));
    }
  },
  'lock-hammered'(random, draft, from, to) {
    for (let second = from; second < to; second += between(random, 0.5, 1.2)) {
      draft.blow(random, second, { speedChange: between(random, 0.2, 1), seconds: between(random, 0.005, 0.02), direction: [normal(random), normal(random), normal(random)], ringing: 0.5 });
      spring(random, draft, second, between(random, 0.1, 0.4));
    }
  },
  shaken(random, draft, from, to) {
    const [hertz, degrees, strength] = [between(random, 1.2, 3), between(random, 5, 18), between(random, 0.2, 0.8)];
    draft.add(draft.rollDegrees, from, to, (share) => degrees * Math.sin(2 * Math.PI * hertz * (to - from) * share));
    draft.add(draft.forceG[1], from, to, (share) => strength * Math.sin(2 * Math.PI * hertz * (to - from) * share));
    draft.rattle(random, from, to, () => 0.3 * strength);
  },
  'carried-away': (random, draft, from, to) => handled(random, draft, from, to, { stepsHertz: between(random, 1.5, 2.2), strengthG: between(random, 0.15, 0.5), degrees: between(random, 5, 25) }),
  'rolled-on-one-wheel'(random, draft, from, to) {
    const pitch = between(random, 15, 35);
    draft.add(draft.pitchDegrees, from, to, (share) => pitch * Math.min(1, 8 * share, 8 * (1 - share)));
    handled(random, draft, from, to, { stepsHertz: between(random, 1.5, 2.2), strengthG: between(random, 0.05, 0.2), degrees: between(random, 3, 10) });
    draft.rattle(random, from, to, () => between(random, 0.05, 0.2));
  },
};

/** Vehicles lean on their stand, and streets on their gutter. */
function parkedDraft(random: Random, seconds: number): MotionDraft {
  const draft = new MotionDraft(Math.round(seconds * samplesPerSecond));
  draft.rollDegrees.fill(between(random, -12, 12));
  draft.pitchDegrees.fill(between(random, -4, 4));
  return draft;
}

/** Still first, so that the vehicle learns how it stands. */
export const stillSeconds = 13;
const happeningSeconds = 20;

/** One everyday happening after stillness. */
export function parkedScene(random: Random, kind: ParkedKind): Trace {
  const draft = parkedDraft(random, stillSeconds + happeningSeconds + 4);
  everyday[kind](random, draft, stillSeconds, stillSeconds + happeningSeconds);
  return draft.sensed(random, ordinaryMounting);
}

/** One attack after stillness. Its wheel is locked and tells nothing. */
export function attackScene(random: Random, attack: Attack): Trace {
  const draft = parkedDraft(random, stillSeconds + happeningSeconds + 4);
  attackHappenings[attack](random, draft, stillSeconds, stillSeconds + between(random, 8, happeningSeconds));
  return draft.sensed(random, ordinaryMounting);
}

/** Falls over by itself or pushed: for the rule. */
export function fallenScene(random: Random): Trace {
  const draft = parkedDraft(random, stillSeconds + happeningSeconds);
  const [side, seconds] = [sign(random), between(random, 0.6, 1.1)];
  const end = draft.count / samplesPerSecond;
  draft.add(draft.rollDegrees, stillSeconds, stillSeconds + seconds, (share, before) => (side * 85 - before) * share ** 3);
  draft.add(draft.rollDegrees, stillSeconds + seconds, end, (_, before) => side * 85 - before);
  draft.blow(random, stillSeconds + seconds, { speedChange: Math.sqrt(2 * gravityMetresPerSecond2 * 0.4), seconds: 0.03, direction: [0, -side, 0.2] });
  return draft.sensed(random, ordinaryMounting);
}
