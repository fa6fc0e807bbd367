/** For tests of modules: starts some of them on a real PostgreSQL with a database of their own, in a folder of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { v7 } from 'uuid';
import type { Clock } from '../infra/clock/port.ts';
import type { Module } from '../module.ts';
import type { Contract, Handlers, Operations } from '../wire/contract.ts';
import { defineModule } from '../module.ts';
import { readConfiguration } from './configuration.ts';
import { openPorts } from './ports.ts';
import { type RunningProcess, startProcess } from './process.ts';

export interface TestProcess extends RunningProcess {
  home: string;
  /** Stops and removes everything. */
  dispose(): Promise<void>;
}

export interface TestOptions {
  environment?: Record<string, string>;
  clock?: Clock;
}

/**
 * The PostgreSQL that the test run started once; each call makes a database in it. Without one
 * (a test file run on its own) the program's embedded PostgreSQL is used.
 */
export async function freshDatabase(): Promise<{ url: string | undefined; drop(): Promise<void> }> {
  const server = process.env['MOBILITY_TEST_DATABASE_URL'];
  if (!server) return { url: undefined, drop: async () => undefined };
  const name = `test_${v7().replaceAll('-', '')}`;
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(name)}`;
  await admin.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      const again = postgres(server, { max: 1, onnotice: () => undefined });
      await again`drop database if exists ${again(name)} with (force)`;
      for (const { rolname } of await again<{ rolname: string }[]>`select rolname from pg_roles where starts_with(rolname, ${`${name}_`})`) await again`drop role if exists ${again(rolname)}`;
      await again.end();
    },
  };
}

/** Starts modules as the program would, each answer held against its contract. */
export async function startModules(modules: readonly Module[], options: TestOptions = {}): Promise<TestProcess> {
  const home = await mkdtemp(join(tmpdir(), 'mobility-test-'));
  const database = await freshDatabase();
  const configuration = readConfiguration({
    PORT: '0', MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'error', MOBILITY_POOL_SIZE: '4',
    ...(database.url && { MOBILITY_DATABASE_URL: database.url }), ...options.environment,
  });
  const ports = await openPorts(configuration);
  const { clock } = options;
  if (clock) ports.clock = { every: ports.clock.every, nowMs: () => clock.nowMs(), now: () => clock.now() };
  const running = await startProcess({ configuration, modules, ports, checkAnswers: true });
  return {
    ...running,
    home,
    async dispose() {
      await running.stop();
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** A module made of handlers alone, in the place of a real one. */
export function moduleOf<O extends Operations>(contract: { module: string; operations: O; events: Contract['events'] }, handlers: Partial<Handlers<O>>): Module {
  return defineModule<O>({ name: contract.module, contract: contract as unknown as Contract<O>, needs: [], start: async () => ({ handlers: handlers as Handlers<O> }) });
}

/** Asks until the answer is there. @throws Error when it is not within the time */
export async function eventually<T>(question: () => Promise<T | undefined | false>, timeoutMs = 10_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${question.toString().slice(0, 200)}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
