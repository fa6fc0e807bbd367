/**
 * Telemetry from the vehicle's socket to history: `npm run bench -- telemetry [--rate N] [--seconds S] [--connections C] [--messages M] [--hold]`.
 *
 * Records come by real MQTT over mutual TLS into the broker, go through the log, and end in the live state and in PostgreSQL. Counted at
 * both ends: what was sent and acknowledged, and the rows that are there. At 5,000 and 50,000 records a second and as fast as it goes,
 * 20 seconds each; `--rate` measures that rate only, `--hold` holds 50,000 for five minutes. The load generator, the program and PostgreSQL share the machine. The yardstick
 * is a bare COPY of the same rows into a table without an index, in the same PostgreSQL, at the end.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { v7 } from 'uuid';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import { startEmbeddedPostgres } from '../server/infra/sql/embedded.ts';
import { apiUser, demoUser, startProgram, until } from '../tests/journeys/program.ts';
import { childrenOf, cpuSecondsOf } from './engines/processor-time.ts';
import { issueCertificates } from './telemetry/certificates.ts';
import type { LoadResult, LoadRun, LoadSetup } from './telemetry/load.ts';

const { values: flags } = parseArgs({
  args: process.argv.slice(2), allowPositionals: true,
  options: { rate: { type: 'string' }, seconds: { type: 'string' }, connections: { type: 'string' }, messages: { type: 'string' }, hold: { type: 'boolean' }, profile: { type: 'string' } },
});
const seconds = Number(flags.seconds ?? (flags.hold ? 300 : 20));
const connections = Number(flags.connections ?? 1000);
/** Of each connection. */
const messagesPerSecond = Number(flags.messages ?? 2);
/** As fast as it goes: a message holds so many. */
const fullRecordsEach = 50;
const copiedRows = 500_000;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'telemetry', ...figures })}\n`);
const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));

async function residentMebibytes(processId: number, which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const text = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '');
  return Math.round(Number(new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024);
}

const folder = await mkdtemp(join(tmpdir(), 'mobility-bench-'));
const database = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: v7(), logger: pinoLogger('silent') });
const postmaster = Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8').catch(async () => readFile(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8'))).split('\n')[0]);
const program = await startProgram({
  environment: {
    MOBILITY_DATABASE_URL: database.url, MOBILITY_VEHICLES: '0', MOBILITY_SIMULATOR: 'false', MOBILITY_LIMIT_PER_USER: '100000000', MOBILITY_LIMIT_PER_CLIENT: '100000000',
    ...(flags.profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${flags.profile}` }),
  },
});
const programId = program.process.pid ?? 0;
const load = fork(fileURLToPath(new URL('telemetry/load.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

async function ask<Answer>(message: { setup: LoadSetup } | { run: LoadRun }): Promise<Answer> {
  load.send(message);
  const [answer] = (await once(load, 'message')) as [Answer & { error?: string }];
  if (answer.error !== undefined) throw new Error(`the load: ${answer.error}`);
  return answer;
}

let admin = await demoUser(program.url, 'bench-admin@example.com', 'admin');

interface Statistics {
  recordsReceived: number;
  recordsWritten: number;
  duplicates: number;
  late: number;
  dropped: Record<string, number>;
  liveP50Ms: number | null;
  liveP99Ms: number | null;
  lagEvents: number;
  history: { rows: number; bytes: number };
}

async function statistics(): Promise<Statistics> {
  const answer = await admin.get<Statistics>('/v1/statistics/telemetry');
  if (answer.status === 401) {
    admin = apiUser(program.url, (await demoUser(program.url, 'bench-admin@example.com', 'admin')).token);
    return statistics();
  }
  if (answer.status !== 200) throw new Error(`statistics: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function processorSeconds(): Promise<{ program: number; postgres: number }> {
  const servers = [postmaster, ...(await childrenOf(postmaster))];
  return { program: await cpuSecondsOf(programId), postgres: (await Promise.all(servers.map(cpuSecondsOf))).reduce((sum, part) => sum + part, 0) };
}

/** Ends when everything that was acknowledged is in history. @returns records a second, end to end */
async function measure(name: string, run: LoadRun): Promise<number> {
  const [before, cpuBefore] = [await statistics(), await processorSeconds()];
  const beganMs = performance.now();
  const { result } = await ask<{ result: LoadResult }>({ run });
  const atEnd = await statistics();
  const after = await until(async () => {
    const now = await statistics();
    return now.lagEvents === 0 && now.recordsReceived - before.recordsReceived >= result.recordsAcknowledged ? now : false;
  }, 300_000);
  const totalSeconds = (performance.now() - beganMs) / 1000;
  const cpu = await processorSeconds();
  const rows = after.history.rows - before.history.rows;
  const perMillion = (cpuSeconds: number) => rounded((cpuSeconds / result.recordsAcknowledged) * 1e6, 2);
  const recordsPerSecond = Math.round(result.recordsAcknowledged / (run.messagesPerSecond === undefined ? totalSeconds : Math.max(run.seconds, totalSeconds - 2)));
  print({
    name, connections, recordsPerMessage: run.recordsEach, messagesPerSecond: Math.round(result.messagesSent / run.seconds), seconds: rounded(totalSeconds),
    recordsSent: result.recordsSent, recordsAcknowledged: result.recordsAcknowledged, rowsInHistory: rows, lost: result.recordsAcknowledged - rows, recordsPerSecond,
    acknowledgedP50Ms: result.acknowledgedP50Ms, acknowledgedP99Ms: result.acknowledgedP99Ms, liveP50Ms: atEnd.liveP50Ms, liveP99Ms: atEnd.liveP99Ms, lagEventsAtTheEnd: atEnd.lagEvents,
    programMebibytes: await residentMebibytes(programId, 'VmRSS'), programPeakMebibytes: await residentMebibytes(programId, 'VmHWM'),
    cpuSecondsPerMillion: { program: perMillion(cpu.program - cpuBefore.program), postgres: perMillion(cpu.postgres - cpuBefore.postgres), load: perMillion(result.cpuSeconds) },
    bytesPerRow: rounded((after.history.bytes - before.history.bytes) / rows), dropped: after.dropped, duplicates: after.duplicates - before.duplicates, late: after.late - before.late,
  });
  return recordsPerSecond;
}

/** What PostgreSQL takes when nothing stands between. */
async function bareCopy(): Promise<number> {
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  await sql`create table bare_telemetry (vehicle_id text, at timestamptz, sequence bigint, latitude_e7 integer, longitude_e7 integer, speed smallint, heading smallint, accuracy smallint, battery smallint, odometer double precision, peak smallint, flags smallint)`;
  const pieces = Array.from({ length: 500 }, (_, piece) => Buffer.from(Array.from({ length: copiedRows / 500 }, (_unused, row) => `bench-${row}\t2026-01-01 00:00:${String(piece % 60).padStart(2, '0')}\t${piece * 1000 + row}\t50050${row}0\t86000${row}0\t450\t12\t35\t800\t${1_000_000 + row}\t1100\t0\n`).join('')));
  const beganMs = performance.now();
  await pipeline(Readable.from(pieces), await sql`copy bare_telemetry from stdin`.writable());
  const perSecond = copiedRows / ((performance.now() - beganMs) / 1000);
  await sql`drop table bare_telemetry`;
  await sql.end();
  return perSecond;
}

try {
  const setup = await issueCertificates(admin, connections);
  const connectingMs = performance.now();
  await ask({ setup });
  print({ name: 'connected', connections, perSecond: Math.round(connections / ((performance.now() - connectingMs) / 1000)), programMebibytes: await residentMebibytes(programId, 'VmRSS') });
  const rates = flags.rate === undefined ? (flags.hold ? [50_000] : [5_000, 50_000]) : [Number(flags.rate)];
  let best = 0;
  for (const rate of rates) {
    const recordsEach = Math.max(1, Math.round(rate / connections / messagesPerSecond));
    best = Math.max(best, await measure(`${rate}/s`, { seconds, recordsEach, messagesPerSecond: rate / connections / recordsEach }));
  }
  if (flags.rate === undefined && !flags.hold) best = Math.max(best, await measure('as fast as it goes', { seconds, recordsEach: fullRecordsEach }));
  const copiedPerSecond = await bareCopy();
  print({ name: 'bare COPY', recordsPerSecond: Math.round(copiedPerSecond), ratio: rounded(best / copiedPerSecond, 2) });
} finally {
  load.disconnect();
  await program.dispose();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}
