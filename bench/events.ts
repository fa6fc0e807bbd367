/**
 * What the event log costs, in one run on one machine: on LMDB over bare LMDB, and, with MOBILITY_KAFKA_BROKERS, on Kafka over LMDB.
 * `npm run bench -- events [EVENTS]`. Prints JSON lines. All write the same events, each call awaited until it is acknowledged.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { v7 } from 'uuid';
import { openLmdbEventLog } from '../server/infra/events/lmdb.ts';
import type { CloudEvent, EventLog } from '../server/infra/events/port.ts';

const count = Number(process.argv[2] ?? 100_000);
const batchSize = 100;
const callers = 64;
const rounds = 3;
/** As large as the telemetry of a share of the fleet. */
const largeBytes = 50_000;
const brokers = (process.env['MOBILITY_KAFKA_BROKERS'] ?? '').split(',').filter(Boolean);

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

async function openKafka(): Promise<EventLog> {
  const { openKafkaEventLog } = await import('../server/infra/events/kafka.ts');
  return openKafkaEventLog({ brokers, prefix: `bench-${v7()}.`, flush: process.env['MOBILITY_KAFKA_FLUSH'] !== 'false' });
}

/** Appends everything, then has a new group handle it. */
async function throughLog(log: EventLog, pieces: readonly CloudEvent[][]): Promise<{ append: number; handle: number }> {
  // Makes the topic.
  await log.append('bookings', pieces[0]?.slice(0, 1) ?? []);
  const append = await secondsOf(() => inParallel(pieces, (piece) => log.append('bookings', piece)));
  const { promise, resolve } = Promise.withResolvers<void>();
  const expected = 1 + pieces.reduce((sum, piece) => sum + piece.length, 0);
  let handled = 0;
  const handle = await secondsOf(async () => {
    log.subscribe({
      group: 'bench', topics: ['bookings'],
      async handle(events) {
        handled += events.length;
        if (handled >= expected) resolve();
      },
    });
    await promise;
  });
  await log.close();
  return { append, handle };
}

async function latencies(log: EventLog): Promise<number[]> {
  const waiting = new Map<string, () => void>();
  log.subscribe({ group: 'bench', topics: ['bookings'], handle: async (events) => events.forEach(({ id }) => waiting.get(id)?.()) });
  const measuredMs: number[] = [];
  // The first ones wait until the group has its partitions.
  for (const [index, event] of makeEvents().slice(0, 320).entries()) {
    const beganMs = performance.now();
    const arrived = new Promise<void>((resolve) => waiting.set(event.id, resolve));
    await log.append('bookings', [event]);
    await arrived;
    if (index >= 20) measuredMs.push(performance.now() - beganMs);
  }
  await log.close();
  return measuredMs.sort((one, other) => one - other);
}

const median = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
const print = (figures: object) => process.stdout.write(`${JSON.stringify(figures)}\n`);

const perSecond = (events: number, seconds: readonly number[]): number => Math.round(events / median(seconds));
const ratio = (one: readonly number[], other: readonly number[]): number => Number((median(one) / median(other)).toFixed(2));

async function compare(name: string, folder: string, pieces: readonly CloudEvent[][]): Promise<void> {
  const seconds: Record<'bare' | 'append' | 'handle' | 'kafkaAppend' | 'kafkaHandle', number[]> = { bare: [], append: [], handle: [], kafkaAppend: [], kafkaHandle: [] };
  // In turn, so that what else the machine does falls on all.
  for (let round = 0; round < rounds; round++) {
    seconds.bare.push(await bare(join(folder, `bare-${name}-${round}`), pieces));
    const { append, handle } = await throughLog(await openLmdbEventLog({ folder: join(folder, `log-${name}-${round}`) }), pieces);
    seconds.append.push(append);
    seconds.handle.push(handle);
    if (brokers.length === 0) continue;
    const kafka = await throughLog(await openKafka(), pieces);
    seconds.kafkaAppend.push(kafka.append);
    seconds.kafkaHandle.push(kafka.handle);
  }
  const events = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const about = { events, eventsPerCall: pieces[0]?.length, callers, bytesPerEvent: JSON.stringify(pieces[0]?.[0]).length };
  print({
    bench: 'events.append', ...about, bareLmdbPerSecond: perSecond(events, seconds.bare), lmdbPerSecond: perSecond(events, seconds.append), lmdbOverBare: ratio(seconds.bare, seconds.append),
    ...(brokers.length > 0 && { kafkaPerSecond: perSecond(events, seconds.kafkaAppend), kafkaOverLmdb: ratio(seconds.append, seconds.kafkaAppend) }),
  });
  print({
    bench: 'events.handle', ...about, lmdbPerSecond: perSecond(events, seconds.handle),
    ...(brokers.length > 0 && { kafkaPerSecond: perSecond(events, seconds.kafkaHandle), kafkaOverLmdb: ratio(seconds.handle, seconds.kafkaHandle) }),
  });
}

function printLatency(log: string, measuredMs: readonly number[]): void {
  const percentile = (share: number) => Number((measuredMs[Math.floor(measuredMs.length * share)] ?? Number.NaN).toFixed(2));
  print({ bench: 'events.latency', log, from: 'append', to: 'handle', p50Ms: percentile(0.5), p95Ms: percentile(0.95), p99Ms: percentile(0.99) });
}

const folder = await mkdtemp(join(tmpdir(), 'bench-events-'));
try {
  const events = makeEvents();
  for (const size of [1, batchSize]) await compare(String(size), folder, inPieces(events, size));
  const large = events.slice(0, Math.max(callers, Math.round(count / 40))).map((event) => ({ ...event, data: { records: 'x'.repeat(largeBytes) } }));
  await compare('large', folder, inPieces(large, 1));
  printLatency('lmdb', await latencies(await openLmdbEventLog({ folder: join(folder, 'latency') })));
  if (brokers.length > 0) printLatency('kafka', await latencies(await openKafka()));
} finally {
  await rm(folder, { recursive: true });
}
