import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { memoryDisk } from './memory-slots.ts';
import { bundleOf, newSigner, noReport, textFile, updateJob } from './testing/bundles.ts';
import { openUpdater } from './updater.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** Runs a job whose archive is served by HTTP, each request by the next answer. */
async function served(...answers: ((archive: Uint8Array, from: number, response: ServerResponse) => void)[]) {
  const bundle = bundleOf('zones', '1.0.0', [textFile('zones.json', JSON.stringify({ zones: Array.from({ length: 500 }, (_, index) => index * 7919) }))]);
  const asked: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const url = new URL(request.url ?? '', 'http://vehicle.test');
    asked.push(url.search);
    answers.shift()?.(bundle.archive, Number(url.searchParams.get('from')), response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const signer = await newSigner();
  const updater = await openUpdater({ disk: memoryDisk(), version: '1.0.0', trustedKeys: { counter: 0, keys: [signer.publicKey] }, maximumDownloadTries: 3 });
  const archiveUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive?ticket=t`;
  return { asked, outcome: await updater.run({ ...(await updateJob(signer, bundle)), archiveUrl }, noReport), updater };
}
const whole = (archive: Uint8Array, from: number, response: ServerResponse) => void response.end(archive.subarray(from));
const status = (code: number) => (_archive: Uint8Array, _from: number, response: ServerResponse) => void response.writeHead(code, code === 302 ? { location: 'http://elsewhere.test/' } : {}).end();
const brokenOff = (archive: Uint8Array, from: number, response: ServerResponse) => void response.writeHead(200, { 'content-length': archive.length }).write(archive.subarray(from, 100), () => response.destroy());

test('UPDATE-06: over HTTP it asks for what is missing when the connection broke, and again when the platform is busy', async () => {
  const { outcome, asked, updater } = await served(brokenOff, status(503), status(429), whole);
  expect(outcome).toMatchObject({ status: 'SUCCEEDED' });
  expect(asked).toEqual(['?ticket=t&from=0', '?ticket=t&from=100', '?ticket=t&from=100', '?ticket=t&from=100']);
  expect(updater.installed().zonesVersion).toBe('1.0.0');
});

test('UPDATE-06: a ticket that is refused and a platform that never answers fail the job, and a redirection is not followed', async () => {
  expect((await served(status(403), whole)).outcome).toEqual({ status: 'FAILED', details: { reason: 'download: the platform answered 403' } });
  expect((await served(status(500), status(500), status(500), whole)).outcome).toEqual({ status: 'FAILED', details: { reason: 'the platform answered 500' } });
  const { outcome, asked } = await served(status(302), status(302), status(302), whole);
  expect([(outcome as { status: string }).status, asked.length]).toEqual(['FAILED', 3]);
});
