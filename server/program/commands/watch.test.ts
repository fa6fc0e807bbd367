import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Incident } from '../../services/incident/contract.ts';
import type { Rollout } from '../../services/rollout/contract.ts';
import { eventually } from '../testing.ts';
import { runWatch } from './watch.ts';
import { renderFrame, type View } from './watch-screen.ts';

const at = '2026-11-22T10:00:00.000Z';
const devices = { connected: 12_345, messagesReceived: 1e6, messagesPerSecond: 49_800.4, refused: { 'certificate-revoked': 3 }, dropped: { malformed: 2, 'foreign-topic': 7, oversized: 0 }, samples: [] };
const telemetry = {
  vehicles: 50_000, online: 49_000, recordsReceived: 2e6, recordsPerSecond: 49_790, duplicates: 4, late: 5, dropped: { 'position-invalid': 6 }, liveP50Ms: 41.4, liveP99Ms: 12_000, lagEvents: 17, recordsWritten: 1_999_000,
  history: { rows: 1_999_000, bytes: 5 * 1024 * 1024, compressedBytes: 1024 * 1024, partitions: 2 },
};
const incident: Incident = {
  id: '0198c5a0-0000-7000-8000-000000000001', kind: 'collision', state: 'escalated', severity: 'critical', vehicleId: 'FRA-1', bookingId: null, occurredAt: '2026-11-22T09:59:30.000Z', openedAt: at, closedAt: null,
  position: { lat: 50, lon: 8 }, peakG: 11.25, tamper: null, assignee: 'ada', riderAnswer: 'help', resolution: null,
};
const stage: Rollout['stages'][number] = { percent: 1, vehicles: 500, startedAt: at, soakUntil: null, queued: 10, inProgress: 2, succeeded: 480, failed: 8, gate: 'failed', reasons: ['crashing 6% > 5%'], health: { heard: 480, silent: 3, crashing: 29, controlSilentPercent: 0.1 } };
const rollout: Rollout = {
  id: '0198c5a0-0000-7000-8000-000000000002', bundle: { id: '0198c5a0-0000-7000-8000-000000000003', kind: 'firmware', version: '1.4.2', sizeBytes: 1, sha256: '', keyId: 'k', createdAt: at, createdBy: 'ada' },
  state: 'rolling-back', stage: 0, stages: [stage, { ...stage, percent: 10, gate: 'not-reached', reasons: [], health: null }], soakMinutes: 5, approveEachStage: false,
  thresholds: { maximumFailurePercent: 5, maximumCrashingPercent: 5, maximumSilentPercent: 5, minimumInstalledPercent: 80 }, reason: 'the gate', createdAt: at, createdBy: 'ada', updatedAt: at,
};

const usual: Record<string, unknown> = {
  '/demo/token': { token: 'a-token', riderId: 'r', expiresInSeconds: 900 }, '/v1/statistics/devices': devices, '/v1/statistics/telemetry': telemetry,
  '/v1/incidents?open=true&limit=12': { items: [incident] }, '/v1/rollouts?limit=4': { items: [rollout] },
};
let answers = usual;
let server: Server;
let env: NodeJS.ProcessEnv;
const tokens: (string | undefined)[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url !== '/demo/token') tokens.push(request.headers.authorization);
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 503 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? { title: 'not now' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  env = { PORT: String((server.address() as AddressInfo).port), MOBILITY_HOME: tmpdir() };
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  answers = usual;
  tokens.length = 0;
});

function screen(isTTY = false) {
  const written: string[] = [];
  return { written, terminal: { env, stdout: { write: (text: string) => written.push(text), isTTY, columns: 120 } } };
}

test('one object for programs, each part as it answered', async () => {
  const { written, terminal } = screen();
  expect(await runWatch(['--json'], terminal)).toBe(0);
  expect(JSON.parse(written.join(''))).toEqual({ at: expect.any(String) as string, devices, telemetry, incidents: [incident], rollouts: [rollout] });
  expect(new Set(tokens)).toEqual(new Set(['Bearer a-token']));
});

test('one plain frame; a part that does not answer, or not as promised, is shown as such', async () => {
  answers = { ...usual, '/v1/statistics/telemetry': undefined, '/v1/rollouts?limit=4': { items: [{ nonsense: true }] } };
  const { written, terminal } = screen();
  expect(await runWatch(['--once'], terminal)).toBe(0);
  const frame = written.join('');
  expect(frame).toMatch(/Telemetry\n {2}no answer: .*not now/);
  expect(frame).toMatch(/Rollouts\n {2}no answer: it answered something else/);
  expect(frame).toContain('12,345');
  expect(frame).not.toContain('\u001B');
});

test('a terminal is drawn over until somebody interrupts, and goes on when the program was away', async () => {
  const interrupted = new AbortController();
  const { written, terminal } = screen(true);
  answers = {};
  const watching = runWatch([], terminal, interrupted.signal);
  await eventually(async () => written.some((text) => text.includes('refused')));
  answers = usual;
  await eventually(async () => written.some((text) => text.includes('FRA-1')));
  interrupted.abort();
  expect(await watching).toBe(0);
  expect(written[0]).toBe('\u001B[?25l');
  expect(written.find((text) => text.includes('FRA-1'))?.startsWith('\u001B[H\u001B[J')).toBe(true);
  expect(written.at(-1)).toBe('\u001B[?25h');
});

const view: View = { at, devices: { value: devices }, telemetry: { value: telemetry }, incidents: { value: [incident] }, rollouts: { value: [rollout] } };

test('a frame says rate, latency, lag, what was dropped and why, incidents and rollouts', () => {
  const frame = renderFrame(view, { colours: false, columns: 200 });
  for (const words of ['49,800/s', '49,790/s', 'p50 41 ms, p99 12 s', '17 events', 'foreign-topic 7, malformed 2', 'certificate-revoked 3', 'critical escalated', '11.3 g, rider: help, for ada  30 s ago', 'firmware 1.4.2: rolling-back (the gate)', '480 of 500 installed, 8 failed, 12 to go; 3 silent, 29 crashing  crashing 6% > 5%']) {
    expect(frame.replaceAll(/ +(?=escalated)/g, ' ')).toContain(words);
  }
  expect(frame).not.toContain('oversized');
});

test('no line is wider than the terminal, with colours or without', () => {
  const widths = (colours: boolean) => renderFrame(view, { colours, columns: 60 }).split('\n').map((line) => stripVTControlCharacters(line).length);
  expect(Math.max(...widths(false))).toBe(60);
  expect(widths(true)).toEqual(widths(false));
});

test('an unknown argument is answered with the usage', async () => {
  await expect(runWatch(['--twice'], screen().terminal)).rejects.toThrow(/Usage: mobility watch/);
});
