/** A run that a seed and a commit replay: riders, vehicles, staff, time and trouble, one step after the other. */
import { createHash } from 'node:crypto';
import { pick, randomFor, type Random } from '../../simulator/randomness.ts';
import { holdingStates } from '../../server/services/booking/domain/life-cycle.ts';
import type { Evidence } from '../invariants/evidence.ts';
import { type Broken, findBroken } from '../invariants/invariants.ts';
import { SimulatedRider, SimulatedStaff } from './people.ts';
import { openWorld, type SimulatedWorld } from './world.ts';

export interface SimulationResult {
  seed: number;
  steps: number;
  /** Of the whole sequence; ids stand as numbers in the order in which they appeared. */
  digest: string;
  lines: string[];
  broken: Broken[];
  bookings: Record<string, number>;
  trouble: Record<string, number>;
}

interface Step {
  name: string;
  weight: number;
  run(): Promise<string>;
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const riders = 5;
const secondsAtOnce = [1, 1, 2, 3, 5, 10, 20, 45];
/** Long enough for reservations to run out, rides to be given up and vehicles to fall silent. */
const longTimes = [300, 900, 2_000, 45_000];
const mostDeliveries = 8;
const jumps = [-45, -20, 30, 120];
const modules = ['vehicle', 'payments-orchestrator', 'payment', 'booking'] as const;
/** How often it is looked whether the world has come to rest, and how far time goes in between. */
const restRounds = 60;
const shortestRestMs = 2_000;
const longestRestMs = 120_000;
/** More than this in one go is a circle, not a queue. */
const handedOverAtOnce = 2_000;

class Simulation {
  readonly #world: SimulatedWorld;
  readonly #random: Random;
  readonly #riders: SimulatedRider[];
  readonly #staff: SimulatedStaff;
  readonly #numbers = new Map<string, number>();
  readonly lines: string[] = [];
  #clockSlackMs = 0;

  constructor(world: SimulatedWorld, seed: number) {
    this.#world = world;
    this.#random = randomFor(seed, 'steps');
    this.#riders = Array.from({ length: riders }, () => new SimulatedRider(world));
    this.#staff = new SimulatedStaff(world);
  }

  #note(line: string): void {
    this.lines.push(`${this.lines.length + 1} ${line.replaceAll(uuid, (id) => {
      if (!this.#numbers.has(id)) this.#numbers.set(id, this.#numbers.size + 1);
      return `#${this.#numbers.get(id)}`;
    })}`);
  }

  #someRider = (): { rider: SimulatedRider; name: string } => {
    const index = Math.floor(this.#random() * this.#riders.length);
    return { rider: this.#riders[index] as SimulatedRider, name: `rider ${index + 1}` };
  };

  /** A step of a rider with the booking in hand. */
  #withBooking(name: string, weight: number, act: (rider: SimulatedRider, bookingId: string) => Promise<string>): Step {
    return {
      name, weight,
      run: async () => {
        const { rider, name: who } = this.#someRider();
        const { current } = rider;
        return current === undefined ? `${who}: nothing` : `${who} ${current}: ${await act(rider, current)}`;
      },
    };
  }

  #someVehicle = () => pick(this.#random, this.#world.street.vehicles) ?? this.#world.street.vehicle('s-1');

  #riderSteps(): Step[] {
    return [
      {
        name: 'book', weight: 12,
        run: async () => {
          const { rider, name } = this.#someRider();
          const { id } = this.#someVehicle();
          return `${name} ${id}: ${await rider.book(id)}`;
        },
      },
      {
        name: 'ask again', weight: 6,
        run: async () => {
          const { rider, name } = this.#someRider();
          const request = pick(this.#random, rider.requests);
          return request ? `${name}: ${await rider.ask(request)}` : `${name}: nothing`;
        },
      },
      this.#withBooking('open by token', 12, (rider, id) => rider.openByToken(id)),
      this.#withBooking('open remotely', 6, (rider, id) => rider.do('unlockRemotely', id)),
      this.#withBooking('pause', 4, (rider, id) => rider.do('pause', id)),
      this.#withBooking('resume', 4, (rider, id) => rider.do('resume', id)),
      this.#withBooking('end', 12, (rider, id) => rider.end(id)),
      this.#withBooking('cancel', 4, (rider, id) => rider.do('cancel', id)),
      this.#withBooking('confirm payment', 2, (rider, id) => rider.do('confirmPayment', id)),
      this.#withBooking('refund', 3, (_rider, id) => this.#staff.refund(id)),
    ];
  }

  #vehicleSteps(): Step[] {
    const { street, clock } = this.#world;
    return [
      {
        name: 'report', weight: 8,
        run: async () => {
          const vehicle = this.#someVehicle();
          vehicle.report(clock.now());
          return `${vehicle.id}: ${await street.send(vehicle)} reports`;
        },
      },
      {
        name: 'network', weight: 3,
        run: async () => {
          const vehicle = this.#someVehicle();
          vehicle.isOnline = !vehicle.isOnline;
          return `${vehicle.id} ${vehicle.isOnline ? 'on' : 'off'}, ${await street.send(vehicle)} reports`;
        },
      },
      {
        name: 'move', weight: 3,
        run: async () => {
          const vehicle = this.#someVehicle();
          vehicle.isMoving = !vehicle.memory.locked && !vehicle.isMoving;
          return `${vehicle.id} ${vehicle.isMoving ? 'moves' : 'stands'}`;
        },
      },
      { name: 'disable', weight: 1, run: async () => { const { id } = this.#someVehicle(); return `${id}: ${await this.#staff.command(id, 'disable')}`; } },
      { name: 'enable', weight: 2, run: async () => { const { id } = this.#someVehicle(); return `${id}: ${await this.#staff.command(id, 'enable')}`; } },
    ];
  }

  #worldSteps(): Step[] {
    const { clock, log, providers } = this.#world;
    return [
      {
        name: 'deliver', weight: 40,
        run: async () => {
          const shown: string[] = [];
          for (let left = 1 + Math.floor(this.#random() * mostDeliveries); left > 0; left--) shown.push((await log.deliver()) ?? 'nothing');
          return shown.join('; ');
        },
      },
      { name: 'timer', weight: 14, run: async () => this.#fire(pick(this.#random, modules) ?? 'booking') },
      {
        name: 'time', weight: 14,
        run: async () => {
          const seconds = pick(this.#random, secondsAtOnce) ?? 1;
          await clock.advance(seconds * 1000);
          return `${seconds} s`;
        },
      },
      {
        name: 'long time', weight: 1,
        run: async () => {
          const seconds = pick(this.#random, longTimes) ?? 1;
          await clock.advance(seconds * 1000);
          // Whoever has a network has spoken meanwhile.
          await this.#heartbeats();
          return `${seconds} s`;
        },
      },
      {
        name: 'clock', weight: 1,
        run: async () => {
          const seconds = pick(this.#random, jumps) ?? 0;
          clock.jump(seconds * 1000);
          this.#clockSlackMs += Math.max(0, -seconds * 1000);
          return `jumps ${seconds} s`;
        },
      },
      {
        name: 'provider', weight: 2,
        run: async () => {
          const provider = pick(this.#random, providers);
          if (provider) provider.isDown = !provider.isDown;
          return `${provider?.name} ${provider?.isDown ? 'down' : 'up'}`;
        },
      },
      { name: 'restart', weight: 1, run: async () => { await this.#world.restart(); return 'done'; } },
    ];
  }

  async #heartbeats(): Promise<void> {
    const { street, clock } = this.#world;
    for (const vehicle of street.vehicles) {
      vehicle.report(clock.now());
      await street.send(vehicle);
    }
    await this.#world.log.deliverAllTo('vehicle-reports').catch(() => undefined);
  }

  async #fire(module: string): Promise<string> {
    const fired = await this.#world.process.database(module)?.fireNext();
    return fired ? `${module} ${fired.kind} ${fired.key}` : `${module}: none`;
  }

  async #relay(): Promise<void> {
    for (const module of modules) await this.#world.process.database(module)?.relay();
  }

  async run(steps: number): Promise<void> {
    for (const rider of this.#riders) await rider.addCard();
    const all = [...this.#riderSteps(), ...this.#vehicleSteps(), ...this.#worldSteps()];
    const weights = all.reduce((sum, { weight }) => sum + weight, 0);
    await this.#heartbeats();
    this.#world.trouble.isOver = false;
    for (let count = 0; count < steps; count++) {
      let left = this.#random() * weights;
      const step = all.find(({ weight }) => (left -= weight) < 0);
      if (step) this.#note(`${step.name}: ${await step.run()}`);
      // Now and then events stay in the outbox for a while.
      if (this.#random() < 0.8) await this.#relay();
    }
  }

  /** Everything that is on its way arrives. */
  async #calm(): Promise<void> {
    const { log, street, clock } = this.#world;
    for (const vehicle of street.vehicles) {
      vehicle.isOnline = true;
      vehicle.isMoving = false;
      vehicle.report(clock.now());
      await street.send(vehicle);
    }
    let handedOver = 0;
    for (let moved = true; moved && handedOver < handedOverAtOnce; handedOver++) {
      await this.#relay();
      moved = (await log.deliver()) !== undefined;
      for (const module of modules) if ((await this.#world.process.database(module)?.fireNext()) !== undefined) moved = true;
    }
  }

  /** Nothing goes wrong any more, riders finish, time goes on. @returns what does not hold then */
  async rest(): Promise<{ broken: Broken[]; evidence: Evidence }> {
    const { trouble, providers, clock, street } = this.#world;
    trouble.isOver = true;
    for (const provider of providers) provider.isDown = false;
    for (let round = 1; ; round++) {
      for (const rider of this.#riders) await rider.finish();
      await this.#calm();
      const repeated = (await Promise.all(this.#riders.map((rider) => rider.repeatAll()))).flat();
      const evidence: Evidence = {
        ...(await this.#world.evidence.read()), bodies: street.bodies, told: this.#riders.flatMap(({ told }) => told), repeated, rides: [], clockSlackMs: this.#clockSlackMs,
      };
      const open = evidence.bookings.filter(({ state }) => holdingStates.includes(state)).map(({ id, state }) => `booking ${id} stays ${state}`);
      const broken = [...findBroken(evidence), ...(open.length > 0 ? [{ invariant: 'every booking can be brought to its end', findings: open }] : [])];
      if (broken.length === 0 || round === restRounds) return { broken, evidence };
      await clock.advance(Math.min(longestRestMs, shortestRestMs * round));
    }
  }
}

/** Runs a seed. The same seed and number of steps give the same digest. */
export async function simulate(seed: number, steps: number): Promise<SimulationResult> {
  const world = await openWorld(seed);
  try {
    const simulation = new Simulation(world, seed);
    await simulation.run(steps);
    const { broken, evidence } = await simulation.rest();
    const bookings: Record<string, number> = {};
    for (const { state } of evidence.bookings) bookings[state] = (bookings[state] ?? 0) + 1;
    return {
      seed, steps, digest: createHash('sha256').update(simulation.lines.join('\n')).digest('hex').slice(0, 16), lines: simulation.lines, broken, bookings, trouble: Object.fromEntries(world.trouble.happened),
    };
  } finally {
    await world.close();
  }
}
