/**
 * Starts the agent of the slot whose turn it is, again and again; goes back to the other slot when one on trial does not become
 * healthy. It lies outside the slots and is never updated, so it does nothing else. `node launcher.ts FOLDER`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeStart, type BootRecord, firstRecord, otherSlot, parseBootRecord, type Slot, slotToStart } from './update/boot.ts';

const root = resolve(process.argv[2] ?? '.');
/** So long may an agent on trial take until it says that it is healthy. */
const healthyWithinMs = Number(process.env['MOBILITY_HEALTHY_WITHIN_MS'] ?? 300_000);
/** Who has run for so long does not crash at once: the pause before the next start is short again. */
const steadyAfterMs = 60_000;
const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** A small nursery for short-lived objects: 40 MB less for a little more work; a vehicle has 150 MB for the agent. */
const smallHeap = '--max-semi-space-size=1';

const recordPath = join(root, 'boot.json');

function readRecord(): BootRecord {
  return (existsSync(recordPath) ? parseBootRecord(readFileSync(recordPath, 'utf8')) : undefined) ?? firstRecord;
}

function synced(path: string, flags: 'w' | 'r', text?: string): void {
  const file = openSync(path, flags);
  if (text !== undefined) writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

function writeRecord(record: BootRecord): void {
  synced(`${recordPath}.new`, 'w', `${JSON.stringify(record)}\n`);
  renameSync(`${recordPath}.new`, recordPath);
  synced(root, 'r');
}

const entryOf = (slot: Slot): string | undefined => ['main.ts', 'main.js'].map((name) => join(root, 'slots', slot, name)).find((path) => existsSync(path));

let agent: ChildProcess | undefined;
let isStopping = false;
let crashes = 0;

function start(): void {
  const before = readRecord();
  const record = beforeStart(before);
  if (record !== before) writeRecord(record);
  const wanted = slotToStart(record);
  const slot = entryOf(wanted) ? wanted : otherSlot(wanted);
  const entry = entryOf(slot);
  if (!entry) throw new Error(`neither slot in ${root} holds an agent`);
  const startedAtMs = performance.now();
  agent = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', smallHeap, entry], { cwd: root, stdio: 'inherit', env: { ...process.env, MOBILITY_EDGE_UPDATES: root, MOBILITY_EDGE_SLOT: slot } });
  const trial = record.trial && setTimeout(() => {
    // Hanging, or without a connection: as good as crashed.
    if (readRecord().trial) agent?.kill('SIGKILL');
  }, healthyWithinMs);
  agent.once('error', (error) => process.stderr.write(`the agent cannot be started: ${error.message}\n`));
  agent.once('close', () => {
    clearTimeout(trial ?? undefined);
    if (isStopping) return;
    crashes = performance.now() - startedAtMs > steadyAfterMs ? 0 : crashes + 1;
    // On trial, the number of tries is bound already.
    setTimeout(start, record.trial ? firstPauseMs : Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(crashes, 10)));
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    isStopping = true;
    if (agent?.exitCode === null && agent.signalCode === null) agent.kill(signal);
    else process.exit(0);
  });
}
start();
