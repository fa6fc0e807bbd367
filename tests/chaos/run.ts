/** A city under load, broken again and again; after each fault the time to recover and the invariants. */
import { setTimeout as pause } from 'node:timers/promises';
import { pick, randomFor, type Random } from '../../simulator/randomness.ts';
import type { Evidence, KeptAnswer } from '../invariants/evidence.ts';
import { type Broken, findBroken } from '../invariants/invariants.ts';
import { EvidenceReader } from '../invariants/reading.ts';
import type { Fault } from './faults.ts';
import { type Memory, Rider } from './riders.ts';
import type { Town } from './town.ts';

export interface RoundResult {
  round: number;
  fault: string;
  /** From the end of the fault to the end of the first journey that was begun after it. */
  recoveredMs: number | null;
  /** From then on until nothing was on its way any more. */
  settledMs: number;
  ridesDone: number;
  bookings: number;
  broken: Broken[];
}

export interface RunOptions {
  town: Town;
  seed: number;
  riders: number;
  say(line: string): void;
}

const recoverWithinMs = 120_000;
const settleWithinMs = 150_000;
const repeatedKeys = 40;
const lookEveryMs = 300;
const tellEveryMs = 10_000;

export class ChaosRun {
  readonly #options: RunOptions;
  readonly #reader: EvidenceReader;
  readonly #random: Random;
  readonly #memory: Memory = { told: [], rides: [] };
  readonly #stopping = new AbortController();
  #load: { riders: Rider[]; resting: boolean; ended: Promise<unknown> } | undefined;
  #clockSlackMs = 0;
  #probes = 0;
  #ridesDone = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#random = randomFor(options.seed, 'run');
    const { town } = options;
    this.#reader = new EvidenceReader({
      databaseUrl: town.database.url, events: town.events, nowMs: () => Date.now() + town.clockOffsetSeconds() * 1000, charges: () => town.street.charges(),
    });
  }

  #rider(name: string, rideMs: number): Rider {
    const { town, seed } = this.#options;
    return new Rider({ name, url: town.url, random: randomFor(seed, name), memory: this.#memory, signal: this.#stopping.signal, pauseMs: 300, rideMs });
  }

  startLoad(): void {
    const riders = this.#load?.riders ?? Array.from({ length: this.#options.riders }, (_, index) => this.#rider(`rider-${index + 1}`, 700));
    const load = { riders, resting: false, ended: Promise.resolve() as Promise<unknown> };
    load.ended = Promise.all(riders.map((rider) => rider.live(() => load.resting).catch((error: unknown) => this.#options.say(`a rider gave up: ${String(error)}`))));
    this.#load = load;
  }

  /** Everybody finishes what was begun. */
  async #restLoad(): Promise<void> {
    if (!this.#load) return;
    this.#load.resting = true;
    const { ended, riders } = this.#load;
    const late = pause(settleWithinMs, 'late' as const, { ref: false });
    const telling = setInterval(() => this.#options.say(`riders finish what they have begun: ${riders.map(({ trouble }) => trouble).filter(Boolean).join(' | ').slice(0, 800)}`), tellEveryMs);
    const isLate = (await Promise.race([ended, late])) === 'late';
    clearInterval(telling);
    if (isLate) this.#options.say('riders have not come to rest in time');
    this.#ridesDone = riders.reduce((sum, { ridesDone }) => sum + ridesDone, 0);
  }

  /** A person who comes after the fault. @returns how long until the first ride is paid */
  async #recover(): Promise<number | null> {
    const begun = performance.now();
    const limit = AbortSignal.timeout(recoverWithinMs);
    while (!limit.aborted) {
      const name = `probe-${++this.#probes}`;
      const { town, seed } = this.#options;
      const rider = new Rider({ name, url: town.url, random: randomFor(seed, name), memory: this.#memory, signal: AbortSignal.any([limit, this.#stopping.signal]), pauseMs: 0, rideMs: 0 });
      if (await rider.ride().catch(() => false)) return performance.now() - begun;
      await rider.finishWhatIsOpen().catch((error: unknown) => this.#options.say(`a probe could not finish: ${String(error)}`));
    }
    return null;
  }

  /** Some of the requests that were answered with a booking, once more. */
  async #repeat(): Promise<KeptAnswer[]> {
    const { told } = this.#memory;
    const chosen = new Set(Array.from({ length: repeatedKeys }, () => pick(this.#random, told)));
    const answers: KeptAnswer[] = [];
    for (const request of chosen) if (request) answers.push(await request.repeat());
    return answers;
  }

  async #evidence(repeated: readonly KeptAnswer[]): Promise<Evidence> {
    const { town } = this.#options;
    return { ...(await this.#reader.read()), bodies: town.street.bodies(), told: this.#memory.told.map(({ answer }) => answer), repeated, rides: this.#memory.rides, clockSlackMs: this.#clockSlackMs };
  }

  /** Waits until all invariants hold. @returns those that do not when the time is over */
  async settle(): Promise<{ broken: Broken[]; settledMs: number; bookings: number }> {
    const begun = performance.now();
    await this.#restLoad();
    const repeated = await this.#repeat();
    for (let toldMs = 0; ;) {
      const evidence = await this.#evidence(repeated);
      const broken = findBroken(evidence);
      const settledMs = performance.now() - begun;
      if (broken.length === 0 || settledMs > settleWithinMs) return { broken, settledMs, bookings: evidence.bookings.length };
      if (settledMs - toldMs > tellEveryMs) {
        toldMs = settledMs;
        this.#options.say(`not at rest yet: ${broken.flatMap(({ findings }) => findings).slice(0, 5).join('; ')}`);
      }
      await pause(lookEveryMs);
    }
  }

  async round(number: number, fault: Fault, calmMs: number): Promise<RoundResult> {
    const { town } = this.#options;
    this.#clockSlackMs = Math.max(this.#clockSlackMs, fault.clockSlackMs ?? 0);
    this.startLoad();
    await pause(calmMs);
    await fault.begin(town, this.#random);
    await pause(fault.lastsMs);
    await fault.end(town, this.#random);
    const recoveredMs = await this.#recover();
    const { broken, settledMs, bookings } = await this.settle();
    const neverRecovered = recoveredMs === null ? [{ invariant: 'a ride works again', findings: [`none within ${recoverWithinMs / 1000} s: ${town.output().slice(-500)}`] }] : [];
    return { round: number, fault: fault.name, recoveredMs, settledMs, ridesDone: this.#ridesDone, bookings, broken: [...neverRecovered, ...broken] };
  }

  stop(): void {
    this.#stopping.abort();
  }
}
