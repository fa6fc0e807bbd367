/**
 * What a process for each target costs: start and memory of each, and of a call that goes to another process.
 * Yardstick in the same run: one process that serves everything, asked the same through the same public API.
 */
import { type Cluster, startCluster } from '../tests/topology/cluster.ts';
import { demoUser, type Program, startProgram } from '../tests/journeys/program.ts';
import { childrenOf, proportionalMebibytesOf } from './engines/processor-time.ts';

const callsMeasured = 1_000;
const callsBefore = 200;
const print = (figures: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify({ bench: 'targets', ...figures })}\n`);
const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));

/** One after the other, so that nothing waits for anything but the call. */
async function callMs({ url }: Program): Promise<{ p50Ms: number; p99Ms: number }> {
  const user = await demoUser(url, 'bench@example.com');
  const times: number[] = [];
  for (let count = 0; count < callsBefore + callsMeasured; count++) {
    const begunMs = performance.now();
    // gateway → user, which reads one row.
    const { status } = await user.get('/v1/me');
    if (status !== 200) throw new Error(`the profile was answered with ${status}`);
    if (count >= callsBefore) times.push(performance.now() - begunMs);
  }
  times.sort((a, b) => a - b);
  return { p50Ms: rounded(times[Math.floor(times.length / 2)] ?? 0), p99Ms: rounded(times[Math.floor(times.length * 0.99)] ?? 0) };
}

const memoryOf = async (processId: number): Promise<number> => proportionalMebibytesOf(processId);

/** Each alone, while all others stand: how long it is away when it is restarted, and what it holds then. */
async function measureTargets(cluster: Cluster): Promise<number> {
  let totalMebibytes = 0;
  for (const process of cluster.processes.filter(({ name }) => name !== 'outside')) {
    await process.stop();
    const begunMs = performance.now();
    await process.start();
    const startMs = Math.round(performance.now() - begunMs);
    const mebibytes = process.processId === undefined ? 0 : await memoryOf(process.processId);
    totalMebibytes += mebibytes;
    print({ target: process.name.replace(/-1$/, ''), startMs, mebibytes: Math.round(mebibytes) });
  }
  return totalMebibytes;
}

async function measureTogether(): Promise<{ p50Ms: number; mebibytes: number }> {
  const begunMs = performance.now();
  const program = await startProgram({ environment: { MOBILITY_SIMULATOR: 'false' } });
  try {
    const startMs = Math.round(performance.now() - begunMs);
    const call = await callMs(program);
    const processId = program.process.pid ?? 0;
    const mebibytes = await memoryOf(processId);
    const databaseMebibytes = (await Promise.all((await childrenOf(processId)).map(memoryOf))).reduce((sum, part) => sum + part, 0);
    print({ topology: 'one process', startMs, programMebibytes: Math.round(mebibytes), databaseMebibytes: Math.round(databaseMebibytes), ...call });
    return { p50Ms: call.p50Ms, mebibytes };
  } finally {
    await program.dispose();
  }
}

async function measureApart(): Promise<{ p50Ms: number; mebibytes: number }> {
  const begunMs = performance.now();
  const cluster = await startCluster();
  try {
    const startMs = Math.round(performance.now() - begunMs);
    const call = await callMs(cluster);
    const mebibytes = await measureTargets(cluster);
    print({ topology: 'a process for each target', startMs, programMebibytes: Math.round(mebibytes), ...call });
    return { p50Ms: call.p50Ms, mebibytes };
  } finally {
    await cluster.dispose();
  }
}

const together = await measureTogether();
const apart = await measureApart();
print({ callAddsMs: rounded(apart.p50Ms - together.p50Ms), callRatio: rounded(apart.p50Ms / together.p50Ms), memoryRatio: rounded(apart.mebibytes / together.mebibytes) });
