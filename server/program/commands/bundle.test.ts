import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readArchive } from '../../../edge/protocol/archive.ts';
import { runBundle } from './bundle.ts';
import { CommandError } from './demo-client.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-bundle-'));
  undo.push(() => rm(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

/** Stands in for the program. */
async function program(status: number, body: unknown) {
  const received: { url: string | undefined; authorization: string | undefined; form: FormData }[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then(async (bytes) => {
      const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': request.headers['content-type'] ?? '' } }).formData();
      received.push({ url: request.url, authorization: request.headers.authorization, form });
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  let text = '';
  const terminal = { env: { MOBILITY_PUBLIC_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, MOBILITY_TOKEN: 'secret' }, stdout: { write: (part: string) => (text += part) } };
  return { received, terminal, text: () => text };
}

test('a folder is packed with all that is in it, uploaded, and the bundle is printed', async () => {
  const { received, terminal, text } = await program(201, { id: 'the-bundle' });
  const folder = await folderWith({ 'main.ts': 'start()', 'detection/zones.ts': 'export {}' });
  expect(await runBundle([folder, '--kind', 'firmware', '--version', '1.2.0', '--minimum-agent-version', '1.0.0'], terminal)).toBe(0);
  expect(received).toMatchObject([{ url: '/v1/bundles?kind=firmware&version=1.2.0&minimumAgentVersion=1.0.0', authorization: 'Bearer secret' }]);
  const archive = received[0]?.form.get('archive');
  if (!(archive instanceof File)) throw new Error('no file was uploaded');
  const paths: string[] = [];
  for await (const file of readArchive([new Uint8Array(await archive.arrayBuffer())])) paths.push(file.path);
  expect(paths).toEqual(['detection/zones.ts', 'main.ts']);
  expect(JSON.parse(text())).toEqual({ id: 'the-bundle' });
});

test('a refusal is printed; a link, a strange name, a missing folder and wrong arguments make no bundle', async () => {
  const { received, terminal, text } = await program(409, { title: 'There is a bundle already', detail: 'firmware 1.2.0' });
  const folder = await folderWith({ 'main.ts': '' });
  expect(await runBundle([folder, '--kind', 'firmware', '--version', '1.2.0'], terminal)).toBe(1);
  expect(text()).toContain('There is a bundle already: firmware 1.2.0');
  await symlink('/etc/passwd', join(folder, 'link'));
  for (const wrong of [[folder, '--kind', 'firmware', '--version', '1.2.0'], [await folderWith({ 'a b': '' }), '--kind', 'zones', '--version', '1.2.0'], [join(folder, 'nowhere'), '--kind', 'zones', '--version', '1.0.0'], [folder], [folder, '--kind', 'firmware', '--version', 'new']]) {
    await expect(runBundle(wrong, terminal)).rejects.toThrow(CommandError);
  }
  expect(received).toHaveLength(1);
});
