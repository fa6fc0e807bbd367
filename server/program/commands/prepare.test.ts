import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { startModules } from '../testing.ts';
import { paymentsOrchestratorModule } from '../../orchestrators/payments/module.ts';
import { runPrepare } from './prepare.ts';

test('prepare makes schemas and roles with the owner; afterwards the program starts without one', async () => {
  const home = await mkdtemp(join(tmpdir(), 'mobility-prepare-'));
  const server = process.env['MOBILITY_TEST_DATABASE_URL'] ?? '';
  const name = `prepare_${process.pid}`;
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(name)}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  let said = '';
  const output = new Writable({ write: (chunk: Buffer, _, done) => { said += chunk.toString(); done(); } });
  const before = { ...process.env };
  const set = { MOBILITY_HOME: home, MOBILITY_DATABASE_URL: url.href };
  try {
    Object.assign(process.env, set);
    expect(await runPrepare(['--target=payments-orchestrator'], output)).toBe(0);
    expect(said).toContain(`payments-orchestrator: logs in as ${name}_payments_orchestrator`);
    url.username = url.password = '';
    process.env['MOBILITY_DATABASE_URL'] = url.href;
    await expect(runPrepare([], output)).rejects.toThrow('with the account that owns the database');
    const running = await startModules([paymentsOrchestratorModule], { environment: { ...set, MOBILITY_DATABASE_URL: url.href } });
    const sql = running.database('payments-orchestrator')?.sql;
    expect(sql && (await sql`select current_user as name`)).toEqual([{ name: `${name}_payments_orchestrator` }]);
    await running.stop();
  } finally {
    for (const key of Object.keys(set)) delete process.env[key];
    Object.assign(process.env, before);
    await admin`drop database ${admin(name)} with (force)`;
    await admin.end();
    await rm(home, { recursive: true, force: true });
  }
});
