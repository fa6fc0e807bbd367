/**
 * Memory of the whole program at rest: with 500 vehicles, and with ten times as many.
 * Proportional set size of the program and all its children (PostgreSQL), so that shared pages count once.
 */
import { readdir, readFile } from 'node:fs/promises';
import { startProgram } from '../tests/journeys/program.ts';

const settleMs = 30_000;

async function childrenOf(processId: number): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir(`/proc/${processId}/task`)) {
    const text = await readFile(`/proc/${processId}/task/${task}/children`, 'utf8').catch(() => '');
    found.push(...text.split(' ').filter(Boolean).map(Number));
  }
  return [...found, ...(await Promise.all(found.map(childrenOf))).flat()];
}

async function proportionalMebibytes(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}

async function measure(vehicles: number): Promise<number> {
  const program = await startProgram({ environment: { MOBILITY_VEHICLES: String(vehicles), MOBILITY_SIMULATED_RIDERS: '20' }, readyTimeoutMs: 240_000 });
  try {
    await new Promise((resume) => setTimeout(resume, settleMs));
    const processId = program.process.pid ?? 0;
    const [own, children] = [await proportionalMebibytes(processId), await Promise.all((await childrenOf(processId)).map(proportionalMebibytes))];
    const databaseMebibytes = children.reduce((sum, part) => sum + part, 0);
    const totalMebibytes = own + databaseMebibytes;
    process.stdout.write(`${JSON.stringify({ bench: 'memory', vehicles, programMebibytes: Math.round(own), databaseMebibytes: Math.round(databaseMebibytes), totalMebibytes: Math.round(totalMebibytes), limitMebibytes: 600 })}\n`);
    return totalMebibytes;
  } finally {
    await program.dispose();
  }
}

const few = await measure(500);
const many = await measure(5000);
process.stdout.write(`${JSON.stringify({ bench: 'memory', ratioAtTenTimesTheVehicles: Number((many / few).toFixed(2)) })}\n`);
