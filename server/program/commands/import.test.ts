import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixtureFolder } from '../../../libs/gbfs/fixtures/read.ts';
import { CityDefinition } from '../../services/vehicle/contract.ts';
import { CommandError } from './demo-client.ts';
import { runImport } from './import.ts';

/** Stands in for the program: gives demo tokens and takes cities. */
let server: Server;
let put: { path: string; authorization: string | undefined; body: unknown }[];
let answer: { status: number; body: unknown };

async function handle(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
  const body = await readJson(request);
  if (request.url === '/demo/token') return { status: 200, body: { token: `token of ${(body as { role: string }).role}`, riderId: 'x', expiresInSeconds: 60 } };
  put.push({ path: `${request.method} ${request.url}`, authorization: request.headers.authorization, body });
  return answer;
}

beforeEach(async () => {
  put = [];
  answer = { status: 200, body: { cityId: 'x', vehicles: 4 } };
  server = createServer((request, response) => {
    handle(request).then(
      ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  if (!server.listening) return;
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const port = () => String((server.address() as AddressInfo).port);
async function run(rest: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; text: string }> {
  let text = '';
  const code = await runImport(rest, { env: { PORT: port(), MOBILITY_PUBLIC_URL: `http://127.0.0.1:${port()}`, ...env }, stdout: { write: (part: string) => (text += part) } });
  return { code, text };
}
const cars = fixtureFolder('v3.0-nabobil');

describe('mobility import gbfs', () => {
  it('puts the city with the token of an administrator, and says what was in the feed', async () => {
    const { code, text } = await run(['gbfs', cars]);
    expect(code).toBe(0);
    expect(put).toMatchObject([{ path: 'PUT /v1/cities/nabobil-ostby', authorization: 'Bearer token of admin' }]);
    expect(CityDefinition.parse(put[0]?.body).vehicles).toHaveLength(4);
    expect(text).toContain('4 vehicles (4 in service), 3 models, 4 tariffs, 0 bays, 0 zones');
    expect(text).toMatch(/info +price-read-from-text \(4 times\)/);
    expect(text).toContain('City nabobil-ostby stands.');
  });

  it('takes an id, a name and a token from outside', async () => {
    await run(['gbfs', cars, '--id', 'stavanger', '--name', 'Stavanger'], { MOBILITY_TOKEN: 'given' });
    expect(put).toMatchObject([{ path: 'PUT /v1/cities/stavanger', authorization: 'Bearer given', body: { id: 'stavanger', name: 'Stavanger' } }]);
  });

  it('changes nothing in a dry run, for which no program has to run', async () => {
    server.close();
    await once(server, 'close');
    let text = '';
    expect(await runImport(['gbfs', cars, '--dry-run', '--all-findings'], { env: {}, stdout: { write: (part: string) => (text += part) } })).toBe(0);
    expect(text).toContain('nothing was changed');
    expect(text.match(/price-read-from-text/g)).toHaveLength(4);
    expect(put).toEqual([]);
  });

  it('repeats what the program refuses', async () => {
    answer = { status: 422, body: { title: 'The city definition contradicts itself', code: 'city-invalid', detail: 'vehicle NB:Vehicle:1 is in another city', errors: [{ pointer: '/vehicles/0', message: 'taken' }] } };
    const { code, text } = await run(['gbfs', cars]);
    expect(code).toBe(1);
    expect(text).toContain('refused: The city definition contradicts itself: vehicle NB:Vehicle:1 is in another city\n  /vehicles/0: taken');
  });

  it.each([
    [['gbfs', '/nowhere/at/all'], 'is neither an http(s) URL nor a folder'],
    [['gbfs', 'http://127.0.0.1:65000/gbfs.json'], 'With --allow-private-addresses it is.'],
    [['gbfs', fixtureFolder('v2.3-fjordhjul'), '--plan', 'none'], 'the feed has no plan "none"; it has minutt, dagskort'],
  ])('says why %j makes no city', async (rest, sentence) => {
    const { code, text } = await run(rest);
    expect(code).toBe(1);
    expect(text).toContain(sentence);
    expect(put).toEqual([]);
  });

  it.each([[[]], [['gbfs']], [['gtfs', cars]], [['gbfs', cars, 'more']], [['gbfs', cars, '--fast']], [['gbfs', cars, '--id', 'Not An Id']], [['gbfs', cars, '--country', 'Norway']]])('refuses the arguments %j', async (rest) => {
    await expect(run(rest)).rejects.toThrow(CommandError);
    expect(put).toEqual([]);
  });

  it('says that no program runs', async () => {
    const env = { PORT: port(), MOBILITY_PUBLIC_URL: `http://127.0.0.1:${port()}`, MOBILITY_TOKEN: 'given' };
    server.close();
    await once(server, 'close');
    await expect(runImport(['gbfs', cars], { env, stdout: { write: () => true } })).rejects.toThrow(/The program is not running at http:\/\/127\.0\.0\.1/);
  });
});
