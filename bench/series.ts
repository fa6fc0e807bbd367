/**
 * What history costs, in one run on one disk: rows written through the series port against a bare COPY of the same rows
 * into a table without an index, in turn; then a read of a day, loose and compressed, and the room that a row takes.
 * Prints JSON lines. `node bench/series.ts [VEHICLES] [SECONDS] [ROUNDS]`
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { manualClock } from '../server/infra/clock/system.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import { prometheusMetrics } from '../server/infra/observability/prometheus.ts';
import type { SeriesDefinition, SeriesRows } from '../server/infra/series/port.ts';
import { openPostgresSeries } from '../server/infra/series/postgres.ts';
import { startEmbeddedPostgres } from '../server/infra/sql/embedded.ts';
import { accessForTests } from '../server/infra/sql/testing.ts';
import { bareCopy, type BareCopyMode } from './series/bare-copy.ts';

const [vehicles = 50_000, seconds = 12, rounds = 3] = process.argv.slice(2).map(Number);
const hourMs = 3_600_000;
const secondsPerWrite = 1;

const definition: SeriesDefinition = {
  name: 'bench', partitionMs: hourMs, compressAfterMs: hourMs, retainForMs: 30 * 24 * hourMs, retainAggregatesForMs: 365 * 24 * hourMs,
  columns: { latitude: 'double', longitude: 'double', speed: 'real', heading: 'real', battery: 'real', odometer: 'double', accuracy: 'real', peak: 'real', flags: 'smallint' },
  aggregated: ['speed', 'battery', 'peak'],
};
const names = Object.keys(definition.columns);

/** A fleet of which a third drives, each vehicle with one row a second, in the decimals that sensors have. */
function rowsAt(fleet: readonly string[], startMs: number, forSeconds: number): SeriesRows {
  const count = fleet.length * forSeconds;
  const rows = { subject: fleet.flatMap((subject) => Array.from({ length: forSeconds }, () => subject)), timeMs: new Float64Array(count), sequence: new Float64Array(count), columns: Object.fromEntries(names.map((name) => [name, new Float64Array(count)])) };
  const column = (name: string) => rows.columns[name] as Float64Array;
  let row = 0;
  for (const vehicle of fleet.keys()) {
    for (let second = 0; second < forSeconds; second++, row++) {
      const tick = Math.round(startMs / 1000) + second;
      const isMoving = vehicle % 3 === 0;
      const noise = ((tick * 7919 + vehicle * 104_729) % 1000) / 1000;
      rows.timeMs[row] = startMs + second * 1000 + (vehicle % 1000);
      rows.sequence[row] = tick;
      column('latitude')[row] = Math.round((50.1 + vehicle / 1e6 + (isMoving ? tick % 3600 : 0) * 3e-5 + noise * 1e-5) * 1e7) / 1e7;
      column('longitude')[row] = Math.round((8.6 + vehicle / 1e6 + (isMoving ? tick % 3600 : 0) * 4e-5 + noise * 1e-5) * 1e7) / 1e7;
      column('speed')[row] = isMoving ? Math.round((4 + noise) * 100) / 100 : 0;
      column('heading')[row] = isMoving ? Math.round(noise * 3600) / 10 : 0;
      column('battery')[row] = Math.round((90 - (tick % 3600) / 100) * 10) / 10;
      column('odometer')[row] = vehicle + (isMoving ? (tick % 100_000) * 4.5 : 0);
      column('accuracy')[row] = Math.round((3 + noise * 4) * 10) / 10;
      column('peak')[row] = Math.round((1 + noise / 5) * 100) / 100;
      column('flags')[row] = isMoving ? 2 : 1;
    }
  }
  return rows;
}

/** Clock ticks of all processes of the server, those that have ended included. */
async function serverSeconds(postmaster: number): Promise<number> {
  const ticksOf = (stat: string): number => stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  const children = (await readFile(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')).split(' ').filter(Boolean);
  const stats = await Promise.all([String(postmaster), ...children].map((id) => readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')));
  return stats.filter(Boolean).reduce((sum, stat) => sum + ticksOf(stat), 0) / 100;
}

interface Cost {
  rows: number;
  seconds: number;
  ownCpuSeconds: number;
  postgresCpuSeconds: number;
}

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'series', ...figures })}\n`);
const median = (values: readonly number[]): number => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

async function costOf(postmaster: number, rows: number, work: () => Promise<unknown>): Promise<Cost> {
  const [cpu, server, beganMs] = [process.cpuUsage(), await serverSeconds(postmaster), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { rows, seconds: (performance.now() - beganMs) / 1000, ownCpuSeconds: (user + system) / 1e6, postgresCpuSeconds: (await serverSeconds(postmaster)) - server };
}

function printCosts(what: string, costs: readonly Cost[]): { rowsPerSecond: number; cpuPerMillion: number; postgresCpuPerMillion: number } {
  const perMillion = (pick: (cost: Cost) => number) => round(median(costs.map((cost) => (pick(cost) / cost.rows) * 1e6)));
  const figures = { rowsPerSecond: Math.round(median(costs.map(({ rows, seconds: took }) => rows / took))), ownCpuSecondsPerMillion: perMillion(({ ownCpuSeconds }) => ownCpuSeconds), postgresCpuSecondsPerMillion: perMillion(({ postgresCpuSeconds }) => postgresCpuSeconds) };
  print({ phase: what, ...figures });
  return { rowsPerSecond: figures.rowsPerSecond, cpuPerMillion: figures.ownCpuSecondsPerMillion + figures.postgresCpuSecondsPerMillion, postgresCpuPerMillion: figures.postgresCpuSecondsPerMillion };
}

async function bytesOf(sql: Sql, table: string): Promise<number> {
  const [size] = await sql<{ bytes: number }[]>`select pg_total_relation_size(${table})::float8 as bytes`;
  return size?.bytes ?? 0;
}

const folder = await mkdtemp(join(tmpdir(), 'bench-series-'));
const logger = pinoLogger('error');
const server = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: 'bench', logger });
const postmaster = Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
const startMs = Math.floor(Date.parse('2026-11-23T10:00:00Z') / hourMs) * hourMs;
const clock = manualClock(startMs + 30 * 60_000);
const store = openPostgresSeries({ access: accessForTests(server.url), clock, logger, metrics: prometheusMetrics(), policyBudgetMs: 3_600_000 });
const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
try {
  const table = await store.open('bench', definition);
  const fleet = Array.from({ length: vehicles }, (_, vehicle) => `vehicle-${String(vehicle).padStart(8, '0')}-0000-7000-8000`);
  const modes: BareCopyMode[] = ['bare', 'keyed'];
  const costs: Record<string, Cost[]> = { bare: [], keyed: [], series: [] };
  const bare = Object.fromEntries(await Promise.all(modes.map(async (mode) => [mode, await bareCopy(sql, mode, definition)] as const)));
  // Once before it counts: code is compiled, subjects get their numbers.
  await table.write(rowsAt(fleet, startMs, 1));
  for (let turn = 0; turn < rounds; turn++) {
    const writes = Array.from({ length: seconds }, (_, second) => rowsAt(fleet, startMs + (1 + turn * seconds + second) * 1000, secondsPerWrite));
    const count = writes.length * fleet.length * secondsPerWrite;
    for (const mode of modes) costs[mode]?.push(await costOf(postmaster, count, async () => { for (const rows of writes) await bare[mode]?.copy(rows); }));
    costs['series']?.push(await costOf(postmaster, count, async () => { for (const rows of writes) await table.write(rows); }));
    await sql`checkpoint`;
  }
  const [ofBare, ofKeyed, ofSeries] = ['bare', 'keyed', 'series'].map((what) => printCosts(what === 'bare' ? 'bare COPY, no index' : what === 'keyed' ? 'COPY with a primary key' : 'series', costs[what] ?? []));
  if (!ofBare || !ofKeyed || !ofSeries) throw new Error('unreachable');
  print({ phase: 'ratio', seriesToBareCopy: round(ofSeries.rowsPerSecond / ofBare.rowsPerSecond), byCpu: round(ofBare.cpuPerMillion / ofSeries.cpuPerMillion), byPostgresCpu: round(ofBare.postgresCpuPerMillion / ofSeries.postgresCpuPerMillion), keyedCopyToBareCopy: round(ofKeyed.rowsPerSecond / ofBare.rowsPerSecond) });

  const again = rowsAt(fleet, startMs + 1000, secondsPerWrite);
  printCosts('the same rows again', [await costOf(postmaster, fleet.length, () => table.write(again))]);

  // One vehicle that has sent for a day, among sixty others that share its segments; the last two hours of it are loose.
  const few = fleet.slice(0, 60);
  const dayMs = 24 * hourMs;
  const beginning = startMs - dayMs - hourMs;
  const read = async (what: string, fromMs: number, toMs: number) => {
    const took: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const beganMs = performance.now();
      await table.read(fleet[3] ?? '', fromMs, toMs, { maximumPoints: 1000, keepExtremesOf: 'speed' });
      took.push(performance.now() - beganMs);
    }
    print({ phase: what, rows: (toMs - fromMs) / 1000, points: 1000, medianMs: round(median(took), 1) });
  };
  for (let minute = 0; minute < 24 * 60; minute += 10) await table.write(rowsAt(few, beginning + minute * 60_000, 600));
  const loose = await table.size();
  await read('read two hours, loose', beginning + 22 * hourMs, beginning + dayMs);
  clock.advance(3 * hourMs);
  const policies = await costOf(postmaster, loose.rows, () => table.applyPolicies());
  printCosts('compress', [policies]);
  const compact = await table.size();
  await read('read a day, compressed', beginning, beginning + dayMs);
  const bareBytes = (await bytesOf(sql, 'bare_copy_bare')) / (rounds * seconds * fleet.length * secondsPerWrite);
  print({ phase: 'size', rows: loose.rows, bytesPerRowBareCopy: round(bareBytes, 1), bytesPerRowLoose: round(loose.bytes / loose.rows, 1), bytesPerRowCompressed: round(compact.compressedBytes / compact.rows, 1), bytesPerRowWithAggregates: round(compact.bytes / compact.rows, 1), ratioToLoose: round(loose.bytes / compact.bytes, 1) });
} finally {
  await sql.end();
  await store.close();
  await server.stop();
  await rm(folder, { recursive: true });
}
