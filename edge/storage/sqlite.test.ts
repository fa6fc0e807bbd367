import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conformance } from './conformance.ts';
import { openSqliteStorage } from './sqlite.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-storage-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('SQLite', () => {
  let count = 0;
  conformance(async () => {
    const own = join(folder, String(count++));
    return { storage: openSqliteStorage(own), reopen: () => openSqliteStorage(own) };
  });

  test('EDGE-20: what was written before a SIGKILL is there after it', async () => {
    const killed = join(folder, 'killed');
    const script = `import { openSqliteStorage } from ${JSON.stringify(new URL('./sqlite.ts', import.meta.url).href)};
      const storage = openSqliteStorage(${JSON.stringify(killed)});
      for (let sequence = 1; ; sequence++) {
        storage.write({ sequence }, { kind: 'state', sequence, json: '{}' });
        if (sequence % 20 === 0) { process.stdout.write(sequence + '\\n'); await new Promise((resume) => setImmediate(resume)); }
      }`;
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let written = 0;
    child.stdout.on('data', (lines: Buffer) => {
      written = Number(lines.toString().trim().split('\n').at(-1));
      if (written >= 100) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const survivor = openSqliteStorage(killed);
    const sequence = survivor.memory()?.sequence ?? 0;
    expect(sequence).toBeGreaterThanOrEqual(written);
    expect(survivor.unsent('state')).toHaveLength(sequence);
    survivor.close();
  });
});
