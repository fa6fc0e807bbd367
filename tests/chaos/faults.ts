/** Everything that is broken on purpose: how it begins, how long it lasts, how it ends. */
import type { Random } from '../../simulator/randomness.ts';
import { slowDown, throttled } from './http-proxy.ts';
import type { Part, Town } from './town.ts';

export interface Fault {
  name: string;
  /** What happens, in a sentence for the report. */
  what: string;
  lastsMs: number;
  begin(town: Town, random: Random): Promise<void>;
  end(town: Town, random: Random): Promise<void>;
  /** How far it moves a clock back, if it does. */
  clockSlackMs?: number;
}

const nothing = async (): Promise<void> => undefined;

const killOf = (part: (town: Town) => Part | undefined, name: string, what: string): Fault => ({
  name, what, lastsMs: 0,
  begin: async (town) => part(town)?.kill(),
  end: async (town) => part(town)?.start(),
});

/** One for each process of the platform. */
export const processFaults = (town: Town): Fault[] => town.processes.map(({ name }) => killOf(({ processes }) => processes.find((part) => part.name === name), `kill-${name}`, `SIGKILL of ${name}, started again at once`));

const databaseFaults: readonly Fault[] = [
  {
    name: 'postgres-restart', what: 'PostgreSQL is stopped in an orderly way, and started after 3 s', lastsMs: 3_000,
    begin: async ({ database }) => database.stop?.(),
    end: ({ database }) => database.start(),
  },
  killOf(({ database }) => database, 'postgres-kill', 'SIGKILL of PostgreSQL, started again at once'),
  {
    name: 'postgres-stall', what: 'nothing gets to PostgreSQL or back for 8 s; connections stay', lastsMs: 8_000,
    begin: async ({ database }) => database.link.change({ isStalled: true }),
    end: async ({ database }) => database.link.change(),
  },
];

const networkFaults: readonly Fault[] = [
  {
    name: 'slow-network', what: 'the database is 30 to 60 ms away, vehicles 200 to 600 ms, providers 800 ms', lastsMs: 12_000,
    async begin({ database, street }) {
      database.link.change({ delayMs: 30, jitterMs: 30 });
      street.radio.change({ delayMs: 200, jitterMs: 400 });
      await street.behave('stripe', { fault: 'none', latencyMs: 800 });
    },
    async end({ database, street }) {
      database.link.change();
      street.radio.change();
      await street.behave('stripe', { fault: 'none' });
    },
  },
  {
    name: 'lossy-network', what: 'one in ten connections to the database and one in five of the vehicles is cut each second', lastsMs: 12_000,
    async begin({ database, street }) {
      database.link.change({ cutsPerSecond: 0.1 });
      street.radio.change({ cutsPerSecond: 0.2, delayMs: 20, jitterMs: 80 });
    },
    async end({ database, street }) {
      database.link.change();
      street.radio.change();
    },
  },
  {
    name: 'vehicles-cut-off', what: 'no vehicle has a network for 15 s', lastsMs: 15_000,
    begin: async ({ street }) => street.radio.change({ isDown: true }),
    end: async ({ street }) => street.radio.change(),
  },
];

/** How many events are appended once more, oldest among the newest. */
const repeatedEvents = 200;
const topics = ['bookings', 'payments', 'vehicles', 'users'] as const;

/** What was published lately comes once more, in an order of its own: as after a relay that was cut, only worse. */
async function repeatEvents({ events }: Town, random: Random): Promise<void> {
  for (const topic of topics) {
    const lately = [];
    for (let partition = 0; partition < events.partitions(topic); partition++) {
      const all = [];
      for (let offset = 0, batch = await events.read(topic, partition, 0, 1000); batch.length > 0; batch = await events.read(topic, partition, offset, 1000)) {
        all.push(...batch);
        offset = (batch.at(-1)?.offset ?? 0) + 1;
      }
      lately.push(...all.slice(-Math.ceil(repeatedEvents / events.partitions(topic))).map(({ event }) => event));
    }
    const mixed = lately.map((event) => ({ event, place: random() })).toSorted((a, b) => a.place - b.place);
    for (const { event } of mixed) await events.append(topic, [event]);
  }
}

const messageFaults: readonly Fault[] = [{ name: 'repeated-messages', what: 'the last 200 events of each topic come once more, in another order, while new ones come', lastsMs: 2_000, begin: repeatEvents, end: nothing }];

const jumpSeconds = 45;
const clockFaults: readonly Fault[] = [
  {
    name: 'clock-jump', what: `the clock of the platform (of many processes: of the bookings alone) jumps ${jumpSeconds} s ahead, and after 8 s back`, lastsMs: 8_000, clockSlackMs: jumpSeconds * 1000,
    begin: (town) => town.moveClock(jumpSeconds),
    end: (town) => town.moveClock(0),
  },
];

const diskFaults: readonly Fault[] = [
  {
    name: 'disk-full', what: 'nothing can be written to the disk of the platform and of PostgreSQL for 8 s', lastsMs: 8_000,
    begin: async ({ disk }) => disk?.fill(),
    async end({ disk, database, processes }) {
      await disk?.free();
      // A PostgreSQL that cannot write its log stops itself; its keeper starts it again, as with the program.
      await database.stop?.();
      await database.start();
      for (const part of processes) {
        await part.kill();
        await part.start();
      }
    },
  },
];

const brokerAwayMs = 30_000;
/** Of requests to an engine that is throttled or out of order. */
const refusedShare = 0.5;

const engineFaults: readonly Fault[] = [
  {
    name: 'broker-gone', what: 'SIGKILL of Kafka, which stays away for 30 s', lastsMs: brokerAwayMs,
    begin: async ({ engines }) => engines?.broker.kill(),
    end: async ({ engines }) => engines?.broker.start(),
  },
  { name: 'redis-flush', what: 'everything that Redis has is deleted', lastsMs: 0, begin: async ({ engines }) => engines?.cache.flush(), end: nothing },
  {
    name: 'redis-gone', what: 'SIGKILL of Redis, which stays away for 10 s', lastsMs: 10_000,
    begin: async ({ engines }) => engines?.cache.kill(),
    end: async ({ engines }) => engines?.cache.start(),
  },
  {
    name: 'dynamodb-throttled', what: 'DynamoDB refuses half of all requests for 15 s, because there are too many', lastsMs: 15_000,
    begin: async ({ engines }) => engines?.keyValueDoor.refuse(refusedShare, throttled),
    end: async ({ engines }) => engines?.keyValueDoor.refuse(0, throttled),
  },
  {
    name: 's3-errors', what: 'S3 answers half of all requests with 503 for 15 s', lastsMs: 15_000,
    begin: async ({ engines }) => engines?.objectDoor.refuse(refusedShare, slowDown),
    end: async ({ engines }) => engines?.objectDoor.refuse(0, slowDown),
  },
];

const providerFault = (name: string, what: string, stripe: Parameters<Town['street']['behave']>[1], adyen?: Parameters<Town['street']['behave']>[1]): Fault => ({
  name, what, lastsMs: 10_000,
  async begin({ street }) {
    await street.behave('stripe', stripe);
    if (adyen) await street.behave('adyen', adyen);
  },
  async end({ street }) {
    await street.behave('stripe', { fault: 'none' });
    await street.behave('adyen', { fault: 'none' });
  },
});

const paymentFaults: readonly Fault[] = [
  providerFault('stripe-down', 'Stripe answers every call with 503: Adyen takes over', { fault: 'outage' }),
  providerFault('both-down', 'Stripe and Adyen answer every call with 503', { fault: 'outage' }, { fault: 'outage' }),
  providerFault('charged-unanswered', 'Stripe does what it is asked for and never answers', { fault: 'timeout-after' }),
  providerFault('charged-and-cut', 'both providers do what they are asked for and cut the connection', { fault: 'reset-after' }, { fault: 'reset-after' }),
  providerFault('lost-on-the-way', 'requests to Stripe are lost before it has done anything', { fault: 'timeout-before' }),
];

/** In the order of a default run. What a town does not have is left out. */
export const faultsOf = (town: Town): Fault[] => [...processFaults(town), ...databaseFaults, ...networkFaults, ...messageFaults, ...clockFaults, ...(town.disk ? diskFaults : []), ...(town.engines ? engineFaults : []), ...paymentFaults];
