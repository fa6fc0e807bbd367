/** Calls between processes over mutual TLS: who is not of the platform's authority neither calls nor is called. */
import 'reflect-metadata';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BasicConstraintsExtension, PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineContract } from '../wire/contract.ts';
import { createClient } from '../wire/dispatch.ts';
import { remoteDispatch } from '../wire/remote.ts';
import { readConfiguration } from './configuration.ts';
import { type InternalServer, openInternalServer } from './internal-server.ts';
import { type InternalTls, openPeerConnections, peerHeaders, readInternalTls } from './peers.ts';
import { moduleOf, startModules, type TestProcess } from './testing.ts';

const contract = defineContract({
  module: 'vault',
  operations: { look: { method: 'GET', path: '/internal/vault', summary: 'Looks at it', access: { roles: ['machine'], scope: 'internal' }, public: false, status: 200, response: z.object({ closed: z.boolean() }), errors: [] } },
  events: {},
});

const dayMs = 24 * 3600_000;
const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keyPair = () => crypto.subtle.generateKey(signing, true, ['sign', 'verify']);

async function authority() {
  const keys = await keyPair();
  const certificate = await X509CertificateGenerator.createSelfSigned({ name: 'CN=platform', keys, signingAlgorithm: signing, notBefore: new Date(Date.now() - 10 * dayMs), notAfter: new Date(Date.now() + dayMs), extensions: [new BasicConstraintsExtension(true)] });
  return { keys, certificate };
}
type Authority = Awaited<ReturnType<typeof authority>>;

/** What a process has: a certificate of one authority, and the authority that it believes. */
async function identity(by: Authority, believes: Authority, { untilMs = Date.now() + dayMs, host = '127.0.0.1' } = {}): Promise<InternalTls> {
  const own = await keyPair();
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=process', issuer: by.certificate.subject, publicKey: own.publicKey, signingKey: by.keys.privateKey, signingAlgorithm: signing, notBefore: new Date(Date.now() - 9 * dayMs), notAfter: new Date(untilMs),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: host }])],
  });
  return { cert: Buffer.from(certificate.toString('pem')), key: Buffer.from(PemConverter.encode(await crypto.subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY')), ca: Buffer.from(believes.certificate.toString('pem')) };
}

let ours: Authority;
let theirs: Authority;
let peer: TestProcess;
const servers: InternalServer[] = [];
const agents: Agent[] = [];
beforeAll(async () => {
  [ours, theirs] = [await authority(), await authority()];
  peer = await startModules([moduleOf(contract, { look: async () => ({ closed: true }) })]);
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.destroy()));
  await Promise.all(servers.map((server) => server.close()));
  await peer?.dispose();
});

async function serverWith(tls: InternalTls): Promise<string> {
  const server = await openInternalServer(peer, { host: '127.0.0.1', port: 0, tls });
  servers.push(server);
  return server.listeningOrigin;
}

/** @returns the answer, or the code of the refusal */
async function look(url: string, dispatcher: Agent): Promise<unknown> {
  agents.push(dispatcher);
  const client = createClient(contract, remoteDispatch('vault', [url], { headersFor: peerHeaders(peer.ports.keys), dispatcher, patienceMs: 0 }), {});
  return client.look({}).catch((error: { code?: unknown }) => error.code);
}

test('both sides show a certificate of the platform: calls are answered', async () => {
  const url = await serverWith(await identity(ours, ours));
  expect(url).toMatch(/^https:/);
  expect(await look(url, openPeerConnections(await identity(ours, ours)))).toEqual({ closed: true });
});

test('a caller without a certificate, of another authority, or with one that has run out is refused', async () => {
  const url = await serverWith(await identity(ours, ours));
  const withoutOne = new Agent({ connect: { ca: Buffer.from(ours.certificate.toString('pem')) } });
  expect(await look(url, withoutOne)).toBe('unauthenticated');
  expect(await look(url, openPeerConnections(await identity(theirs, ours)))).toBe('unauthenticated');
  expect(await look(url, openPeerConnections(await identity(ours, ours, { untilMs: Date.now() - 60_000 })))).toBe('unauthenticated');
  const metrics = await request(`${url}/metrics`, { dispatcher: withoutOne });
  expect(metrics.statusCode).toBe(401);
  // Whoever only asks whether it lives has no certificate.
  expect((await request(`${url}/health/ready`, { dispatcher: withoutOne })).statusCode).toBe(200);
});

test('a called process of another authority, of another address, or with a certificate that has run out is not spoken to', async () => {
  const caller = async () => openPeerConnections(await identity(ours, ours));
  for (const shown of [await identity(theirs, ours), await identity(ours, ours, { host: '127.0.0.9' }), await identity(ours, ours, { untilMs: Date.now() - 60_000 })]) {
    expect(await look(await serverWith(shown), await caller())).toBe('unavailable');
  }
  expect(await look((await serverWith(await identity(ours, ours))).replace('https:', 'http:'), openPeerConnections(undefined))).toBe('unavailable');
});

test('certificate, key and authority come from files, and go together', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-tls-'));
  const tls = await identity(ours, ours);
  const files = { MOBILITY_INTERNAL_TLS_CERTIFICATE: join(folder, 'cert'), MOBILITY_INTERNAL_TLS_KEY: join(folder, 'key'), MOBILITY_INTERNAL_TLS_CA: join(folder, 'ca') };
  await Promise.all([writeFile(files.MOBILITY_INTERNAL_TLS_CERTIFICATE, tls.cert), writeFile(files.MOBILITY_INTERNAL_TLS_KEY, tls.key), writeFile(files.MOBILITY_INTERNAL_TLS_CA, tls.ca)]);
  expect(await readInternalTls(readConfiguration({}))).toBeUndefined();
  expect(await readInternalTls(readConfiguration(files))).toEqual(tls);
  await expect(readInternalTls(readConfiguration({ ...files, MOBILITY_INTERNAL_TLS_CA: '' }))).rejects.toThrow('go together');
  await expect(readInternalTls(readConfiguration({ ...files, MOBILITY_INTERNAL_TLS_CA: join(folder, 'none') }))).rejects.toThrow('cannot be read');
  await rm(folder, { recursive: true });
});
