import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** Names of the clients of engines that a process has in memory after it has imported something of ours. */
async function clientsAfter(file: string): Promise<string[]> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const script = `
    await import(${JSON.stringify(path)});
    const { default: Module } = await import('node:module');
    const names = Object.keys(Module._cache).map((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1] ?? '');
    console.log(JSON.stringify([...new Set(names)].filter((name) => /^(@aws-sdk|@smithy|@redis)\\/|^redis$/.test(name))));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout) as string[];
}

test('a start without engines loads none of their clients', async () => {
  expect(await clientsAfter('./ports.ts')).toEqual([]);
  expect(await clientsAfter('../infra/cache/redis.ts')).toContain('@redis/client');
  expect(await clientsAfter('../infra/kv/dynamodb.ts')).toContain('@aws-sdk/client-dynamodb');
  expect(await clientsAfter('../infra/blobs/s3.ts')).toContain('@aws-sdk/client-s3');
});
