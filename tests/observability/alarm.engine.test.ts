/**
 * A running program, scraped for real: every query of every dashboard and rule is answered from what it exports, and
 * when it is killed somebody is called, until it is there again.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { parse, stringify } from 'yaml';
import { freePort } from '../../server/infra/free-port.ts';
import { alertmanager } from '../../tools/engines/alertmanager.ts';
import { type Engine, type RunningEngine, startEngine } from '../../tools/engines/engine.ts';
import { victoriaMetrics, vmalert } from '../../tools/engines/victoria-metrics.ts';
import { type ApiUser, demoUser, type SingleProgram, startProgram, until } from '../journeys/program.ts';
import { type PagerDuty, startPagerDuty } from './pagerduty.ts';

const deploy = new URL('../../deploy/observability/', import.meta.url);
const routingKey = 'f'.repeat(32);

interface RuleFile {
  groups: { interval?: string; rules: { alert?: string; record?: string; expr: string; for?: string }[] }[];
}

let home: string;
let program: SingleProgram;
let pagerDuty: PagerDuty;
let metricsUrl: string;
let rider: ApiUser;
let bookingId: string;
const engines: RunningEngine[] = [];

async function start(engine: Engine): Promise<string> {
  await engine.install();
  const running = await startEngine(engine, { folder: join(home, `${engine.name}-${engines.length}`), port: await freePort() });
  engines.push(running);
  return `http://127.0.0.1:${running.place.port}`;
}

const read = async (path: string): Promise<string> => readFile(new URL(path, deploy), 'utf8');

/** The scrape configuration as it is deployed, each second and with our program as the one target. */
async function scrapeConfiguration(): Promise<string> {
  const configuration = parse(await read('scrape.yaml')) as { global: Record<string, string> };
  configuration.global = { scrape_interval: '1s', scrape_timeout: '1s' };
  await mkdir(join(home, 'targets'));
  await writeFile(join(home, 'targets', 'program.json'), JSON.stringify([{ targets: [new URL(program.url).host] }]));
  const file = join(home, 'scrape.yaml');
  await writeFile(file, stringify(configuration).replace('targets/*.json', join(home, 'targets', '*.json')));
  return file;
}

/** Rules as they are deployed, but looked at each second, and without waiting. */
async function hurriedRules(): Promise<string[]> {
  return Promise.all(['alerts.yaml', 'service-levels.yaml'].map(async (name) => {
    const rules = parse(await read(`rules/${name}`)) as RuleFile;
    for (const group of rules.groups) {
      group.interval = '1s';
      for (const rule of group.rules) if (rule.for !== undefined) rule.for = '2s';
    }
    const file = join(home, name);
    await writeFile(file, stringify(rules));
    return file;
  }));
}

/** As it is deployed, but to our stand-in, with a key of its own and without patience. */
async function alertmanagerConfiguration(): Promise<string> {
  const keyFile = join(home, 'routing-key');
  await writeFile(keyFile, routingKey);
  const text = (await read('alertmanager.yaml')).replaceAll('/etc/alertmanager/pagerduty-routing-key', keyFile).replace(/pagerduty_url: \S+/, `pagerduty_url: ${pagerDuty.url}`)
    .replaceAll(/group_wait: \S+/g, 'group_wait: 1s').replaceAll(/group_interval: \S+/g, 'group_interval: 1s');
  const file = join(home, 'alertmanager.yaml');
  await writeFile(file, text);
  return file;
}

/** @throws Error when the query cannot be answered */
async function ask(query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
  const response = await fetch(`${metricsUrl}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query }) });
  const answer = (await response.json()) as { status: string; error?: string; data: { result: { metric: Record<string, string>; value: [number, string] }[] } };
  if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
  return answer.data.result;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'mobility-alarm-'));
  [program, pagerDuty] = await Promise.all([startProgram({ environment: { MOBILITY_VEHICLES: '12' } }), startPagerDuty()]);
  metricsUrl = await start(victoriaMetrics(await scrapeConfiguration()));
  const alertmanagerUrl = await start(alertmanager(await alertmanagerConfiguration()));
  await start(vmalert({ rules: await hurriedRules(), metricsUrl, alertmanagerUrl }));
  rider = await demoUser(program.url, `alarm-${v7()}@example.com`);
  const [vehicle] = await until(async () => {
    const { body } = await rider.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=scooter&minBattery=30');
    return body.items.length > 0 && body.items;
  });
  const booked = await rider.post<{ id: string }>('/v1/bookings', { vehicleId: vehicle?.id });
  bookingId = booked.body.id;
  expect((await rider.post(`/v1/bookings/${bookingId}/unlock-remotely`)).status).toBe(200);
}, 240_000);

afterAll(async () => {
  for (const engine of engines.toReversed()) await engine.stop();
  await program?.dispose();
  await pagerDuty?.close();
  await rm(home, { recursive: true, force: true });
}, 60_000);

test('every query of the dashboards and the rules is answered, and names only what the program exports or a rule records', async () => {
  const exported = await (await fetch(`${program.url}/metrics`)).text();
  const families = new Map([...exported.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const ruleFiles = await Promise.all(['alerts.yaml', 'service-levels.yaml'].map(async (name) => parse(await read(`rules/${name}`)) as RuleFile));
  const rules = ruleFiles.flatMap(({ groups }) => groups.flatMap((group) => group.rules));
  const dashboards = await Promise.all((await readdir(new URL('dashboards/', deploy))).map(async (name) => JSON.parse(await read(`dashboards/${name}`)) as { panels: { targets: { expr: string }[] }[] }));
  const queries = [...rules.map(({ expr }) => expr), ...dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))];
  expect(queries.length).toBeGreaterThan(60);

  const names = new Set(queries.flatMap((query) => query.replaceAll(/"[^"]*"/g, '').match(/\b(?:mobility|nodejs|process)[a-z0-9_:]*\b/g) ?? []).filter((name) => name !== 'mobility'));
  const known = (name: string) => families.has(name) || families.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram' || rules.some(({ record }) => record === name);
  expect([...names].filter((name) => !known(name))).toEqual([]);
  for (const query of queries) await ask(query);

  // What the program counts from its start on has come through the scrape into the answers.
  for (const name of names) if (families.has(name)) await until(async () => (await ask(`count(${name})`)).length > 0, 30_000).catch((error: unknown) => expect.fail(`${name}: ${String(error)}`));
  // A scrape may be half taken in at the moment of a query.
  for (const [query, value] of [['sum(mobility_vehicles)', '12'], ['sum(mobility_rides_started_total)', '1']] as const) await until(async () => (await ask(query))[0]?.value[1] === value, 20_000);
}, 120_000);

test('service levels are recorded from what riders did', async () => {
  const [answer] = await until(async () => {
    // A rate needs a counter that grows between two scrapes: the rider taps again and again.
    expect((await rider.post(`/v1/bookings/${bookingId}/unlock-remotely`)).status).toBeLessThan(500);
    const answers = await ask('mobility:unlock_errors:ratio_rate5m');
    return answers.length > 0 && answers;
  }, 60_000);
  expect(Number(answer?.value[1])).toBe(0);
  expect(Number((await ask('mobility:unlock_error_budget:left'))[0]?.value[1] ?? 1)).toBe(1);
}, 90_000);

test('the program is killed: PagerDuty is called once, and told when it is there again', async () => {
  expect(pagerDuty.received.filter(({ payload }) => payload?.class === 'ProcessDown')).toEqual([]);
  await program.kill();
  const called = await until(async () => pagerDuty.received.find(({ event_action: action, payload }) => action === 'trigger' && payload?.class === 'ProcessDown'), 60_000);
  expect(called).toMatchObject({ routing_key: routingKey, payload: { severity: 'critical', component: new URL(program.url).host } });
  expect(called.payload?.summary).toBe(`ProcessDown: ${new URL(program.url).host} does not answer.`);
  expect(called.payload?.custom_details).toMatchObject({ runbook: 'docs/runbooks/alerts.md#processdown' });

  program = await program.restart();
  await until(async () => pagerDuty.received.find(({ event_action: action, dedup_key: key }) => action === 'resolve' && key === called.dedup_key), 120_000);
  expect(pagerDuty.received.filter(({ event_action: action, dedup_key: key }) => action === 'trigger' && key === called.dedup_key)).toHaveLength(1);
  expect(pagerDuty.refused).toEqual([]);
}, 240_000);
