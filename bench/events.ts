/**
 * What the event log costs over bare LMDB, in one run on one disk: `node bench/events.ts [EVENTS]`.
 * Prints JSON lines. Bare and log write the same bytes, each call awaited until it is on the disk.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { v7 } from 'uuid';
import { openLmdbEventLog } from '../server/infra/events/lmdb.ts';
import type { CloudEvent } from '../server/infra/events/port.ts';

const count = Number(process.argv[2] ?? 100_000);
const batchSize = 100;
const callers = 64;
const rounds = 3;

const subjects = Array.from({ length: 1000 }, () => v7());
const makeEvents = (): CloudEvent[] => Array.from({ length: count }, (_, index) => ({
  specversion: '1.0', id: v7(), source: '/booking', type: 'bookings.confirmed', subject: subjects[index % subjects.length] ?? '', time: new Date().toISOString(),
  datacontenttype: 'application/json', dataschemaversion: 1, data: { bookingId: v7(), riderId: v7(), vehicleId: v7(), priceMinor: 420, currency: 'EUR' },
}));

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return (performance.now() - beganMs) / 1000;
}

/** So many callers at the same time, each with its next piece as soon as the last one is on the disk. */
async function inParallel(pieces: readonly CloudEvent[][], write: (piece: CloudEvent[]) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: callers }, async () => {
    for (let piece = pieces[next++]; piece; piece = pieces[next++]) await write(piece);
  }));
}

function inPieces(events: readonly CloudEvent[], size: number): CloudEvent[][] {
  return Array.from({ length: Math.ceil(events.length / size) }, (_, index) => events.slice(index * size, (index + 1) * size));
}

async function bare(folder: string, pieces: readonly CloudEvent[][]): Promise<number> {
  const root = open<string, number>({ path: folder, noSubdir: false, overlappingSync: false, encoding: 'string' });
  let key = 0;
  const seconds = await secondsOf(() => inParallel(pieces, (piece) => Promise.all(piece.map((event) => root.put(key++, JSON.stringify(event))))));
  await root.close();
  return seconds;
}

async function throughLog(folder: string, pieces: readonly CloudEvent[][]): Promise<{ append: number; handle: number }> {
  const log = await openLmdbEventLog({ folder });
  const append = await secondsOf(() => inParallel(pieces, (piece) => log.append('bookings', piece)));
  const { promise, resolve } = Promise.withResolvers<void>();
  let handled = 0;
  const handle = await secondsOf(async () => {
    log.subscribe({
      group: 'bench', topics: ['bookings'],
      async handle(events) {
        handled += events.length;
        if (handled >= count) resolve();
      },
    });
    await promise;
  });
  await log.close();
  return { append, handle };
}

async function latencies(folder: string): Promise<number[]> {
  const log = await openLmdbEventLog({ folder });
  const waiting = new Map<string, () => void>();
  log.subscribe({ group: 'bench', topics: ['bookings'], handle: async (events) => events.forEach(({ id }) => waiting.get(id)?.()) });
  const measuredMs: number[] = [];
  for (const event of makeEvents().slice(0, 300)) {
    const beganMs = performance.now();
    const arrived = new Promise<void>((resolve) => waiting.set(event.id, resolve));
    await log.append('bookings', [event]);
    await arrived;
    measuredMs.push(performance.now() - beganMs);
  }
  await log.close();
  return measuredMs.sort((one, other) => one - other);
}

const median = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
const print = (figures: object) => process.stdout.write(`${JSON.stringify(figures)}\n`);

const folder = await mkdtemp(join(tmpdir(), 'bench-events-'));
try {
  const events = makeEvents();
  for (const size of [1, batchSize]) {
    const pieces = inPieces(events, size);
    const bareSeconds: number[] = [];
    const appendSeconds: number[] = [];
    const handleSeconds: number[] = [];
    // In turn, so that what else the machine does falls on both.
    for (let round = 0; round < rounds; round++) {
      bareSeconds.push(await bare(join(folder, `bare-${size}-${round}`), pieces));
      const { append, handle } = await throughLog(join(folder, `log-${size}-${round}`), pieces);
      appendSeconds.push(append);
      handleSeconds.push(handle);
    }
    print({
      bench: 'events.append', eventsPerCall: size, callers, events: count, bytesPerEvent: JSON.stringify(events[0]).length,
      bareLmdbPerSecond: Math.round(count / median(bareSeconds)), logPerSecond: Math.round(count / median(appendSeconds)),
      ratio: Number((median(bareSeconds) / median(appendSeconds)).toFixed(2)),
    });
    print({ bench: 'events.handle', events: count, perSecond: Math.round(count / median(handleSeconds)) });
  }
  const measuredMs = await latencies(join(folder, 'latency'));
  const percentile = (share: number) => Number((measuredMs[Math.floor(measuredMs.length * share)] ?? Number.NaN).toFixed(2));
  print({ bench: 'events.latency', from: 'append', to: 'handle', p50Ms: percentile(0.5), p95Ms: percentile(0.95), p99Ms: percentile(0.99) });
} finally {
  await rm(folder, { recursive: true });
}
