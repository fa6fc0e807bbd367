import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../server/program/testing.ts';
import type { BootRecord } from './update/boot.ts';
import { folderDisk } from './update/disk.ts';
import { bundleOf, newSigner, noReport, serving, textFile, updateJob } from './update/testing/bundles.ts';
import { openUpdater } from './update/updater.ts';

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** An agent that writes down that it was started; what else it does, `rest` says. */
const agentThat = (rest: string) => `
  import { appendFileSync, readFileSync, writeFileSync, renameSync } from 'node:fs';
  import { join } from 'node:path';
  const root = process.env.MOBILITY_EDGE_UPDATES;
  appendFileSync(join(root, 'starts'), process.env.MOBILITY_EDGE_SLOT);
  ${rest}
`;
const lives = 'setInterval(() => {}, 1000);';
const provesItself = `${lives}
  const record = JSON.parse(readFileSync(join(root, 'boot.json'), 'utf8'));
  writeFileSync(join(root, 'proof'), JSON.stringify({ ...record, active: record.trial.slot, trial: null }));
  renameSync(join(root, 'proof'), join(root, 'boot.json'));`;

async function vehicle(agentB: string, trial: BootRecord['trial'] = { slot: 'b', task: 'update:x', starts: 0 }) {
  const root = await mkdtemp(join(tmpdir(), 'mobility-launcher-'));
  undo.push(() => rm(root, { recursive: true, force: true }));
  for (const [slot, rest] of [['a', lives], ['b', agentB]] as const) {
    await mkdir(join(root, 'slots', slot), { recursive: true });
    await writeFile(join(root, 'slots', slot, 'main.js'), agentThat(rest));
  }
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  await writeFile(join(root, 'boot.json'), JSON.stringify({ format: 1, active: 'a', trial, last: null } satisfies BootRecord));
  const read = (name: string) => readFile(join(root, name), 'utf8').catch(() => '');
  return { root, starts: () => read('starts'), record: async () => JSON.parse((await read('boot.json')) || '{}') as BootRecord };
}

function launch(root: string, healthyWithinMs = 20_000): ChildProcess {
  const launcher = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'launcher.ts'), root], { stdio: 'ignore', env: { ...process.env, MOBILITY_HEALTHY_WITHIN_MS: String(healthyWithinMs) } });
  undo.push(async () => {
    if (launcher.exitCode !== null || launcher.signalCode !== null) return;
    launcher.kill('SIGTERM');
    await once(launcher, 'exit');
  });
  return launcher;
}

test('UPDATE-09: an agent on trial that says it is healthy is started from then on', async () => {
  const { root, starts, record } = await vehicle(provesItself);
  launch(root);
  await eventually(async () => (await record()).active === 'b');
  expect(await starts()).toBe('b');
  expect((await record()).trial).toBeNull();
});

test.each([['crashes at once', 'process.exit(1);', 20_000], ['hangs', 'for (;;);', 300]])('UPDATE-09: the launcher goes back by itself from an agent that %s', async (_, rest, healthyWithinMs) => {
  const { root, starts, record } = await vehicle(rest);
  launch(root, healthyWithinMs);
  await eventually(async () => (await starts()).endsWith('a'));
  expect((await starts()).replaceAll('b', '').length).toBe(1);
  expect(await record()).toMatchObject({ active: 'a', trial: null, last: { task: 'update:x', healthy: false, reason: 'not healthy after 3 starts' } });
});

test('UPDATE-09: tries are counted across power cuts', async () => {
  const { root, starts, record } = await vehicle(lives);
  for (let cut = 1; cut <= 3; cut++) {
    const launcher = launch(root);
    await eventually(async () => (await starts()).length === cut);
    const ended = once(launcher, 'exit');
    launcher.kill('SIGTERM');
    await ended;
    expect((await record()).trial?.starts).toBe(cut);
  }
  launch(root);
  await eventually(async () => (await starts()) === 'bbba');
});

test('UPDATE-10: updater and launcher bring firmware from one slot into the other on a real disk', async () => {
  const { root, starts, record } = await vehicle(lives, null);
  const signer = await newSigner();
  const bundle = bundleOf('firmware', '1.1.0', [textFile('main.js', agentThat(provesItself)), textFile('deeper/in/it.json', '{}')]);
  const updaterOf = (version: string, slot: 'a' | 'b') => openUpdater({ disk: folderDisk(root), version, slot, trustedKeys: { counter: 0, keys: [signer.publicKey] }, openArchive: serving(bundle) });
  expect(await (await updaterOf('1.0.0', 'a')).run(await updateJob(signer, bundle), noReport)).toBe('restart-needed');
  launch(root);
  await eventually(async () => (await record()).active === 'b');
  expect(await starts()).toBe('b');
  const updated = await updaterOf('1.1.0', 'b');
  expect(await updated.run(await updateJob(signer, bundle), noReport)).toMatchObject({ status: 'SUCCEEDED' });
  expect(await readFile(join(root, 'slots/b/deeper/in/it.json'), 'utf8')).toBe('{}');
  expect(await folderDisk(root).list('downloads')).toEqual([]);
});

test('UPDATE-09: a slot without an agent is passed over', async () => {
  const { root, starts } = await vehicle(lives, { slot: 'b', task: 'update:x', starts: 0 });
  await rm(join(root, 'slots', 'b'), { recursive: true });
  launch(root);
  await eventually(async () => (await starts()).startsWith('a'));
});
