/**
 * Connections with mutual TLS that are held: `npm run bench -- connections [COUNT] [--workers N] [--only-held]`.
 *
 * Vehicles in processes of their own connect to broker processes, with a full handshake and then with a resumed one, and stay. Memory
 * for each is what the broker processes grew by. `--only-held` leaves out the yardstick and the resumed handshakes. The yardstick is a bare TLS server in Node that holds the same
 * vehicles in the same run. The module's side of the core runs in this process, with a registry that knows everybody.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../server/infra/clock/system.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import { prometheusMetrics } from '../server/infra/observability/prometheus.ts';
import type { Database } from '../server/infra/sql/port.ts';
import type { Admission } from '../server/iot/broker.ts';
import { type Asker, type Desk, DeviceCore } from '../server/iot/core.ts';
import type { Registry, Standing } from '../server/iot/registry.ts';
import { openWorkers } from '../server/iot/workers.ts';
import { readConfiguration } from '../server/program/configuration.ts';
import { type LoadAuthority, makeLoadAuthority } from './connections/certificates.ts';
import type { ClientsResult, ClientsRun, ClientsStart } from './connections/clients.ts';

const { values: flags, positionals } = parseArgs({ args: process.argv.slice(2), allowPositionals: true, options: { workers: { type: 'string' }, 'only-held': { type: 'boolean', default: false } } });
const isOnlyHeld = flags['only-held'];
const count = Number(positionals[0] ?? 2_000);
const workers = Number(flags.workers ?? 1);
const perClientProcess = 9_000;
const clientProcesses = Math.max(2, Math.ceil(count / perClientProcess));
const settleMs = 4_000;
const kibibyte = 1_024;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'connections', ...figures })}\n`);
const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
const pause = (): Promise<void> => new Promise((resume) => setTimeout(resume, settleMs));

async function residentBytes(processIds: readonly number[]): Promise<number> {
  const all = await Promise.all(processIds.map((id) => readFile(`/proc/${id}/status`, 'utf8')));
  return all.reduce((sum, status) => sum + Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * kibibyte, 0);
}

async function cpuSeconds(processIds: readonly number[]): Promise<number> {
  const all = await Promise.all(processIds.map((id) => readFile(`/proc/${id}/stat`, 'utf8')));
  const ticks = all.map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).reduce((sum, field) => sum + Number(field), 0));
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

async function brokerProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir('/proc/self/task')) found.push(...(await readFile(`/proc/self/task/${task}/children`, 'utf8')).split(' ').filter(Boolean).map(Number));
  const lines = await Promise.all(found.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return found.filter((_, index) => lines[index]?.includes('broker-process'));
}

async function ask<Answer>(children: readonly ChildProcess[], messageOf: (index: number) => object): Promise<Answer[]> {
  return Promise.all(children.map(async (child, index) => {
    child.send(messageOf(index));
    const [answer] = (await once(child, 'message')) as [Answer];
    return answer;
  }));
}

function sumOf(results: readonly ClientsResult[]): { connected: number; resumed: number; perSecond: number } {
  const connected = results.reduce((sum, result) => sum + result.connected, 0);
  const seconds = Math.max(...results.map((result) => result.seconds));
  return { connected, resumed: results.reduce((sum, result) => sum + result.resumed, 0), perSecond: rounded(connected / seconds) };
}

/** Full handshakes, memory, then everybody once more with a resumed session. @returns bytes for each connection */
async function hold(clients: readonly ChildProcess[], run: ClientsRun, processIds: readonly number[]): Promise<number> {
  await pause();
  const [before, cpuBefore] = [await residentBytes(processIds), await cpuSeconds(processIds)];
  const full = sumOf(await ask<ClientsResult>(clients, () => ({ connect: run })));
  const cpuFull = ((await cpuSeconds(processIds)) - cpuBefore) / full.connected;
  await pause();
  const bytesEach = ((await residentBytes(processIds)) - before) / full.connected;
  const figures = { kind: run.kind, processes: processIds.length, held: full.connected, kibibytesEach: rounded(bytesEach / kibibyte), fullPerSecond: full.perSecond, fullProcessorMillisecondsEach: rounded(cpuFull * 1000, 2) };
  if (isOnlyHeld) {
    print(figures);
    await ask(clients, () => ({ disconnect: { forget: true } }));
    return bytesEach;
  }
  await ask(clients, () => ({ disconnect: { forget: false } }));
  await pause();
  const cpuBetween = await cpuSeconds(processIds);
  const again = sumOf(await ask<ClientsResult>(clients, () => ({ connect: run })));
  const cpuResumed = ((await cpuSeconds(processIds)) - cpuBetween) / again.connected;
  print({ ...figures, resumedPerSecond: again.perSecond, resumed: again.resumed, resumedProcessorMillisecondsEach: rounded(cpuResumed * 1000, 2) });
  await ask(clients, () => ({ disconnect: { forget: true } }));
  return bytesEach;
}

const names = new Map<string, string>();

/** Believes every certificate that TLS believes. */
class CredulousCore extends DeviceCore {
  override admit(desk: Desk, asker: Asker): Promise<Admission> {
    names.set(asker.certificateId, asker.name);
    return super.admit(desk, asker);
  }
}

const credulousRegistry = {
  standing: async (id: string): Promise<Standing> => ({ kind: 'device', vehicleId: names.get(id) ?? null, status: 'active', expiresAtMs: Number.MAX_SAFE_INTEGER, replaces: null, isUsed: true }),
  isKnownActive: () => true,
} as unknown as Registry;

async function bareBytes(clients: readonly ChildProcess[], authority: LoadAuthority): Promise<number> {
  const server = fork(fileURLToPath(new URL('connections/bare.ts', import.meta.url)));
  server.send({ authority });
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const bytes = await hold(clients, { port, kind: 'bare' }, [server.pid ?? 0]);
  server.kill();
  return bytes;
}

async function brokerBytes(clients: readonly ChildProcess[], authority: LoadAuthority): Promise<number> {
  const [clock, logger] = [systemClock(), pinoLogger('warn')];
  const home = await mkdtemp(join(tmpdir(), 'mobility-bench-'));
  const database = { sql: async () => [] } as unknown as Database;
  const core = new CredulousCore({ database, clock, logger, metrics: prometheusMetrics(), registry: credulousRegistry, answer: () => undefined });
  const material = { keyPem: authority.brokerKeyPem, certificatePem: authority.brokerCertificatePem, authorityPem: authority.authorityPem, ticketKeys: Buffer.alloc(48, 7) };
  const broker = await openWorkers({
    count: workers, core, logger, port: 0, begin: () => ({ host: '0.0.0.0', material, unlockKeys: Buffer.from('{"keys":[]}'), configuration: readConfiguration({ MOBILITY_HOME: home }) }),
  });
  const bytes = await hold(clients, { port: broker.port, kind: 'broker' }, await brokerProcesses());
  const { refused } = await core.statistics();
  if (Object.keys(refused).length > 0) print({ kind: 'broker', refused });
  await broker.close();
  await core.stop();
  await rm(home, { recursive: true, force: true });
  return bytes;
}

const authority = await makeLoadAuthority();
const clients = Array.from({ length: clientProcesses }, () => fork(fileURLToPath(new URL('connections/clients.ts', import.meta.url)), { serialization: 'advanced' }));
const share = Math.ceil(count / clientProcesses);
const begun = performance.now();
await ask(clients, (index) => ({ prepare: { authority, from: index * share, to: Math.min(count, (index + 1) * share) } satisfies ClientsStart }));
print({ kind: 'certificates', count, perSecond: Math.round(count / ((performance.now() - begun) / 1000)), clientProcesses });
const bare = isOnlyHeld ? undefined : await bareBytes(clients, authority);
const broker = await brokerBytes(clients, authority);
if (bare !== undefined) print({ ratioOfMemoryToBareTls: rounded(broker / bare, 2) });
for (const client of clients) client.kill();
