import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { fixtureFeeds } from '../fixtures/read.ts';
import { GbfsError } from '../finding.ts';
import { loadGbfs, type LoadOptions } from '../load.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const servers: Server[] = [];

async function serve(answers: Record<string, Answer>): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const answer = answers[request.url ?? ''];
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

const json = (body: unknown): Answer => (_, response) => response.end(JSON.stringify(body));
const feeds = Object.fromEntries(fixtureFeeds('v3.0-nabobil').map(({ feed, text }): [string, Answer] => [`/${feed}`, (_, response) => response.end(text)]));
const discovery = (names: string[], base = '') => ({ last_updated: '2025-10-09T08:53:20Z', ttl: 0, version: '3.0', data: { feeds: names.map((name) => ({ name, url: `${base}/${name}` })) } });
const load = (url: string, options: LoadOptions = {}) => loadGbfs(url, { allowPrivateAddresses: true, retryDelayMs: 1, ...options });
const failing = async (work: Promise<unknown>): Promise<GbfsError> => {
  const error: unknown = await work.then(() => undefined, (reason: unknown) => reason);
  if (!(error instanceof GbfsError)) throw error ?? new Error('it did not fail');
  return error;
};

describe('a system on the web', () => {
  it('is discovered and read feed by feed, addresses relative or not', async () => {
    const { url, requests } = await serve({ ...feeds, '/gbfs.json': json(discovery(Object.keys(feeds).map((path) => path.slice(1)))) });
    const progress: string[] = [];
    const system = await load(`${url}/gbfs.json`, { onProgress: (message) => progress.push(message) });
    expect(system).toMatchObject({ version: '3.0', location: `${url}/gbfs.json`, information: { id: 'Nabobil Østby' }, findings: [] });
    expect(system.vehicles).toHaveLength(4);
    expect(requests).toHaveLength(5);
    expect(requests[0]?.headers['user-agent']).toContain('gbfs');
    expect(progress).toContain('fetching vehicle_status');
  });

  it('reads the preferred language of a 2.x system', async () => {
    const names = (language: string) => ({ feeds: [{ name: 'system_information', url: `/${language}` }] });
    const information = (name: string) => json({ last_updated: 1, ttl: 0, version: '2.3', data: { system_id: 's', language: name, name, timezone: 'Europe/Vienna' } });
    const { url } = await serve({ '/gbfs.json': json({ last_updated: 1, ttl: 0, version: '2.3', data: { en: names('en'), 'de-AT': names('de') } }), '/en': information('English'), '/de': information('Deutsch') });
    expect((await load(`${url}/gbfs.json`, { languages: ['fr', 'de'] })).information.name).toEqual({ 'de-AT': 'Deutsch' });
    expect((await load(`${url}/gbfs.json`)).information.name).toEqual({ en: 'English' });
  });

  it('follows a list of versions to the newest that it reads', async () => {
    const { url } = await serve({ ...feeds, '/versions': json({ data: { versions: [{ version: '2.3', url: '/old' }, { version: '3.0', url: '/gbfs.json' }, { version: '4.0', url: '/new' }] } }), '/gbfs.json': json(discovery(['system_information'])) });
    expect((await load(`${url}/versions`)).version).toBe('3.0');
  });

  it('names the systems of a manifest', async () => {
    const { url } = await serve({ '/manifest.json': json({ data: { datasets: [{ system_id: 'one' }, { system_id: 'two' }] } }) });
    expect((await failing(load(`${url}/manifest.json`))).message).toContain('one, two');
  });

  it('tries again after 503, 429 and a broken connection, and not after 404', async () => {
    let attempts = 0;
    const { url, requests } = await serve({
      '/gbfs.json': json(discovery(['system_information', 'vehicle_types'])),
      '/system_information': (request, response) => {
        attempts += 1;
        if (attempts === 1) response.writeHead(503).end();
        else if (attempts === 2) request.socket.destroy();
        else feeds['/system_information']?.(request, response);
      },
    });
    const system = await load(`${url}/gbfs.json`);
    expect(system.information.id).toBe('Nabobil Østby');
    expect(attempts).toBe(3);
    expect(requests.filter((request) => request.url === '/vehicle_types')).toHaveLength(1);
    expect(system.feeds.find(({ feed }) => feed === 'vehicle_types')).toMatchObject({ state: 'failed', reason: `${url}/vehicle_types answers 404` });
  });

  it('gives up after the last attempt with the reason', async () => {
    const { url, requests } = await serve({ '/gbfs.json': (_, response) => response.writeHead(500).end() });
    expect(await failing(load(`${url}/gbfs.json`, { retries: 1 }))).toMatchObject({ code: 'unreachable', message: `${url}/gbfs.json answers 500` });
    expect(requests).toHaveLength(2);
  });

  it('waits as long as a busy server asks', async () => {
    const times: number[] = [];
    const { url } = await serve({
      '/gbfs.json': (request, response) => {
        times.push(performance.now());
        if (times.length === 1) response.writeHead(429, { 'retry-after': '0.2' }).end();
        else json(discovery(['system_information']))(request, response);
      },
      ...feeds,
    });
    await load(`${url}/gbfs.json`);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(195);
  });

  it('does not wait for ever: neither for the head nor for the rest of an answer', async () => {
    const { url } = await serve({ '/silent': () => undefined, '/slow': (_, response) => response.writeHead(200).write('{') });
    for (const path of ['/silent', '/slow']) expect((await failing(load(`${url}${path}`, { timeoutMs: 150, retries: 0 }))).message).toContain('did not answer within 150 ms');
  });

  it('does not take more than it was told to, compressed or not', async () => {
    const large = JSON.stringify({ data: { feeds: [], padding: 'x'.repeat(300_000) } });
    const { url } = await serve({ '/plain': (_, response) => response.end(large), '/packed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(large)) });
    for (const path of ['/plain', '/packed']) expect(await failing(load(`${url}${path}`, { maximumBytes: 100_000 }))).toMatchObject({ code: 'too-large' });
  });

  it('follows redirects, but not for ever', async () => {
    const { url } = await serve({ ...feeds, '/': (_, response) => response.writeHead(302, { location: '/gbfs.json' }).end(), '/gbfs.json': json(discovery(['system_information'])), '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end() });
    expect((await load(url + '/')).location).toBe(`${url}/gbfs.json`);
    expect(await failing(load(`${url}/loop`))).toMatchObject({ code: 'too-many-redirects' });
  });

  it.each([['a page', '<html>'], ['nothing', ''], ['another JSON', '{"data":{}}'], ['a feed', '{"data":{"vehicles":[]}}']])('says that %s is no discovery file', async (_, text) => {
    const { url } = await serve({ '/gbfs.json': (__, response) => response.end(text) });
    expect(await failing(load(`${url}/gbfs.json`))).toMatchObject({ code: 'nothing-to-read' });
  });

  it('sends keys to their own origin only', async () => {
    const elsewhere = await serve(feeds);
    const { url, requests } = await serve({ '/gbfs.json': json(discovery(['system_information'], elsewhere.url)) });
    await load(`${url}/gbfs.json`, { headers: { 'x-api-key': 'secret' } });
    expect(requests[0]?.headers['x-api-key']).toBe('secret');
    expect(elsewhere.requests[0]?.headers['x-api-key']).toBeUndefined();
  });
});

describe('private addresses', () => {
  it.each(['http://127.0.0.1:1/gbfs.json', 'http://[::1]:1/gbfs.json', 'http://169.254.169.254/latest', 'http://2130706433/', 'http://0x7f.1/', 'http://[::ffff:10.0.0.1]/', 'http://localhost:65000/gbfs.json'])('refuses %s', async (url) => {
    expect(await failing(loadGbfs(url, { retries: 0 }))).toMatchObject({ code: 'address-not-allowed' });
  });

  it('refuses feeds and redirects that are no web addresses', async () => {
    const { url } = await serve({
      '/gbfs.json': json({ version: '3.0', data: { feeds: [{ name: 'system_information', url: '/system_information' }, { name: 'vehicle_types', url: 'file:///etc/passwd' }] } }),
      '/away': (_, response) => response.writeHead(302, { location: 'ftp://example.org/gbfs.json' }).end(), ...feeds,
    });
    expect((await load(`${url}/gbfs.json`)).feeds.find(({ feed }) => feed === 'vehicle_types')).toMatchObject({ state: 'failed', reason: 'file:///etc/passwd is neither http nor https' });
    expect(await failing(load(`${url}/away`))).toMatchObject({ code: 'url-not-allowed' });
  });
});
