/**
 * Memory of the whole program at rest: with 500 vehicles, and with ten times as many.
 * Proportional set size of the program and all its children (PostgreSQL), so that shared pages count once.
 */
import { startProgram } from '../tests/journeys/program.ts';
import { childrenOf, proportionalMebibytesOf } from './engines/processor-time.ts';

const settleMs = 30_000;

async function measure(vehicles: number): Promise<number> {
  const program = await startProgram({ environment: { MOBILITY_VEHICLES: String(vehicles), MOBILITY_SIMULATED_RIDERS: '20' }, readyTimeoutMs: 240_000 });
  try {
    await new Promise((resume) => setTimeout(resume, settleMs));
    const processId = program.process.pid ?? 0;
    const [own, children] = [await proportionalMebibytesOf(processId), await Promise.all((await childrenOf(processId)).map(proportionalMebibytesOf))];
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
