/**
 * What engines and processes cost: `npm run bench -- engines [--forms embedded,together,distributed] [--seconds S] [--profile FOLDER]`.
 *
 * The same load on the platform in three forms, one after the other on this machine: `embedded`, one process on the embedded defaults;
 * `together`, one process over PostgreSQL, Kafka, Redis, DynamoDB Local and an object store; `distributed`, a process for each target over
 * them. Measured: bookings (create → authorise → confirm), offered at a fixed rate and as many as go; telemetry from the vehicle's socket
 * to history; and processor time, user and system, of every process of the form, engines included, payment sandboxes and load not. At rest
 * a form costs something too: it is measured before and shown apart, the cost of a booking is all that was used while they were made.
 * Prints JSON lines, and at the end the table of README.md. With `--profile` each Node process leaves a CPU profile there.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { apiUser, demoUser, until } from '../tests/journeys/program.ts';
import { type Form, forms, type Part, prepareGround } from './engines/forms.ts';
import { cpuSecondsOf, proportionalMebibytesOf, sumOver } from './engines/processor-time.ts';
import { type Figures, table } from './engines/table.ts';
import { prepareBookings } from './ride/bookings.ts';
import { closedLoop, openLoop, summary } from './ride/loops.ts';
import { issueCertificates } from './telemetry/certificates.ts';
import type { LoadResult, LoadRun, LoadSetup } from './telemetry/load.ts';

const { values: flags } = parseArgs({
  args: process.argv.slice(2),
  options: { forms: { type: 'string', default: Object.keys(forms).join(',') }, seconds: { type: 'string', default: '20' }, profile: { type: 'string' }, 'without-telemetry': { type: 'boolean', default: false } },
});
const seconds = Number(flags.seconds);
const restSeconds = 10;
const warmUp = 400;
const steadyPerSecond = 20;
const parallel = 24;
const fleet = 24_000;
const vehicles = 200;
const steadyRecordsPerSecond = 5_000;
/** As fast as it goes: a message holds so many. */
const recordsEach = 50;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'engines', ...figures })}\n`);
const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));

type Cost = Record<string, number>;
const costOf = async (parts: readonly Part[]): Promise<Cost> => Object.fromEntries(await Promise.all(parts.map(async ({ name, processId, counts = 'both' }) => [name, await sumOver(processId, counts, cpuSecondsOf)] as const)));
const sumOf = (cost: Cost): number => Object.values(cost).reduce((sum, part) => sum + part, 0);

/** Processor time of each part while work is done. */
async function during<T>(parts: readonly Part[], work: () => Promise<T>): Promise<{ result: T; cost: Cost; seconds: number }> {
  const [before, beganMs] = [await costOf(parts), performance.now()];
  const result = await work();
  const after = await costOf(parts);
  return { result, seconds: (performance.now() - beganMs) / 1000, cost: Object.fromEntries(Object.entries(after).map(([name, total]) => [name, total - (before[name] ?? 0)])) };
}

/** The parts that cost most, in milliseconds for each of what was done. */
const shares = (cost: Cost, count: number): Cost => Object.fromEntries(Object.entries(cost).map(([name, total]) => [name, rounded((total * 1000) / count, 2)] as const).filter(([, each]) => each > 0).toSorted(([, a], [, b]) => b - a));

async function measureBookings(form: Form): Promise<Omit<Figures, 'telemetryPerSecond' | 'telemetryCpuSecondsPerMillion' | 'telemetryLiveP99Ms'>> {
  const { book, close } = await prepareBookings(form.url, { fleet, connections: parallel });
  for (let done = 0; done < warmUp; done += 20) await Promise.all(Array.from({ length: 20 }, book));
  await pause(2_000);
  const rest = await during(form.parts, () => pause(restSeconds * 1000));
  const memory = Object.fromEntries(await Promise.all(form.parts.map(async ({ name, processId, counts = 'both' }) => [name, Math.round(await sumOver(processId, counts, proportionalMebibytesOf))] as const)));
  print({ form: form.name, phase: 'at rest', cores: rounded(sumOf(rest.cost) / rest.seconds, 3), coresOf: Object.fromEntries(Object.entries(rest.cost).map(([name, part]) => [name, rounded(part / rest.seconds, 3)])), mebibytes: sumOf(memory), mebibytesOf: memory });
  const steady = await during(form.parts, () => openLoop(book, steadyPerSecond, seconds));
  const latencies = summary(steady.result);
  print({ form: form.name, phase: 'steady', offeredPerSecond: steadyPerSecond, ...latencies, cpuMsPerBooking: rounded((sumOf(steady.cost) * 1000) / steady.result.length), cpuMsPerBookingOf: shares(steady.cost, steady.result.length) });
  const full = await during(form.parts, () => closedLoop(book, parallel, seconds));
  const bookings = full.result.latenciesMs.length;
  print({ form: form.name, phase: 'full', bookingsPerSecond: rounded(full.result.perSecond), parallel, ...summary(full.result.latenciesMs), cpuMsPerBooking: rounded((sumOf(full.cost) * 1000) / bookings), cpuMsPerBookingOf: shares(full.cost, bookings) });
  await close();
  return {
    ...latencies, bookingsPerSecond: full.result.perSecond, cpuMsPerBooking: (sumOf(full.cost) * 1000) / bookings, coresAtRest: sumOf(rest.cost) / rest.seconds, mebibytes: sumOf(memory),
  };
}

interface Statistics {
  recordsReceived: number;
  lagEvents: number;
  liveP99Ms: number | null;
  history: { rows: number };
}

async function measureTelemetry(form: Form): Promise<Pick<Figures, 'telemetryPerSecond' | 'telemetryCpuSecondsPerMillion' | 'telemetryLiveP99Ms'>> {
  const load = fork(fileURLToPath(new URL('telemetry/load.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ask = async <Answer>(message: { setup: LoadSetup } | { run: LoadRun }): Promise<Answer> => {
    load.send(message);
    const [answer] = (await once(load, 'message')) as [Answer & { error?: string }];
    if (answer.error !== undefined) throw new Error(`the load: ${answer.error}`);
    return answer;
  };
  const admin = async () => apiUser(form.url, (await demoUser(form.url, 'bench-admin@example.com', 'admin')).token);
  const statistics = async (): Promise<Statistics> => {
    const { status, body } = await (await admin()).get<Statistics>('/v1/statistics/telemetry');
    if (status !== 200) throw new Error(`statistics: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  /** Ends when everything that was acknowledged is in history. */
  const measure = async (run: LoadRun) => {
    const before = await statistics();
    return during(form.parts, async () => {
      const beganMs = performance.now();
      const { result } = await ask<{ result: LoadResult }>({ run });
      const { liveP99Ms } = await statistics();
      const after = await until(async () => {
        const now = await statistics();
        return now.lagEvents === 0 && now.recordsReceived - before.recordsReceived >= result.recordsAcknowledged ? now : false;
      }, 300_000);
      return { records: result.recordsAcknowledged, lost: result.recordsAcknowledged - (after.history.rows - before.history.rows), perSecond: result.recordsAcknowledged / ((performance.now() - beganMs) / 1000), liveP99Ms };
    });
  };
  try {
    await ask({ setup: await issueCertificates(await admin(), vehicles) });
    const steady = await measure({ seconds, recordsEach: steadyRecordsPerSecond / vehicles, messagesPerSecond: 1 });
    const perMillion = (sumOf(steady.cost) / steady.result.records) * 1e6;
    print({ form: form.name, phase: 'telemetry, steady', offeredRecordsPerSecond: steadyRecordsPerSecond, lost: steady.result.lost, liveP99Ms: steady.result.liveP99Ms, cpuSecondsPerMillion: rounded(perMillion), cpuSecondsPerMillionOf: shares(steady.cost, steady.result.records / 1000) });
    const full = await measure({ seconds, recordsEach });
    print({ form: form.name, phase: 'telemetry, full', recordsPerSecond: Math.round(full.result.perSecond), lost: full.result.lost, cpuSecondsPerMillion: rounded((sumOf(full.cost) / full.result.records) * 1e6), cpuSecondsPerMillionOf: shares(full.cost, full.result.records / 1000) });
    if (steady.result.lost + full.result.lost !== 0) throw new Error(`${form.name} lost records`);
    return { telemetryPerSecond: full.result.perSecond, telemetryCpuSecondsPerMillion: (sumOf(full.cost) / full.result.records) * 1e6, telemetryLiveP99Ms: steady.result.liveP99Ms };
  } finally {
    load.disconnect();
  }
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const ground = await prepareGround(say);
const measured: Record<string, Figures> = {};
try {
  for (const name of flags.forms.split(',')) {
    const start = forms[name];
    if (!start) throw new Error(`there is no form ${name}; there are ${Object.keys(forms).join(', ')}`);
    say(`${name}: starting`);
    const form = await start(ground, flags.profile ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${flags.profile}/${name}` } : {});
    try {
      const bookings = await measureBookings(form);
      const telemetry = flags['without-telemetry'] ? { telemetryPerSecond: 0, telemetryCpuSecondsPerMillion: 0, telemetryLiveP99Ms: null } : await measureTelemetry(form);
      measured[name] = { ...bookings, ...telemetry };
    } finally {
      await form.close();
    }
  }
  process.stdout.write(table(measured));
} finally {
  await ground.close();
}
