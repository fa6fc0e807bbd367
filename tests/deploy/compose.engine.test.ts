/** `deploy/compose.yaml`, by the loader of the compose specification itself, and held against the program and the image. */
import { spawnSync } from 'node:child_process';
import { access, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { modules } from '../../server/modules.ts';
import { readConfiguration, settings } from '../../server/program/configuration.ts';
import { composeLoader } from '../../tools/engines/deployment.ts';
import { run } from '../../tools/engines/engine.ts';
import { repositoryRoot } from '../../tools/source/source.ts';

const installMs = 600_000;
const composeFile = join(repositoryRoot, 'deploy/compose.yaml');
const names = modules.map(({ name }) => name).toSorted();

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test?: string[]; disable?: boolean };
  networks: Record<string, unknown>;
  read_only?: boolean;
  cap_drop?: string[];
  profiles?: string[];
  depends_on?: Record<string, { condition: string }>;
  stop_grace_period?: string;
  volumes?: { source: string; target: string }[];
  ports?: { published: string; target: number }[];
}
let text: string;
let services: Record<string, Service>;
let model: { services: Record<string, Service>; networks: Record<string, { internal?: boolean }> };

/** As Docker puts variables in: `${A}`, `${A:?why}`, `${A:-otherwise}`, `${A-otherwise}`. The loader's own command takes none. */
const interpolate = (source: string, variables: Record<string, string>): string =>
  source.replaceAll(/(?<!\$)\$\{([A-Z0-9_]+)(?::?([?-])([^}]*))?\}/g, (_whole, name: string, kind: string | undefined, rest: string | undefined) => variables[name] ?? (kind === '-' ? (rest ?? '') : ''));

async function load(variables: Record<string, string>): Promise<typeof model> {
  const copy = join(await mkdtemp(join(tmpdir(), 'mobility-compose-')), 'compose.yaml');
  await writeFile(copy, interpolate(text, variables));
  return JSON.parse(await run(await composeLoader(), ['-no-path-resolution', '-format', 'json', copy], { environment: { COMPOSE_PROFILES: 'demo,three-brokers,observability' } })) as typeof model;
}

const given = { MOBILITY_PUBLIC_URL: 'http://localhost:8080', POSTGRES_PASSWORD: 'of-postgres', REDIS_PASSWORD: 'of-redis', S3_ACCESS_KEY: 'of-s3-name', S3_SECRET_KEY: 'of-s3', GRAFANA_PASSWORD: 'of-grafana' };

beforeAll(async () => {
  text = await readFile(composeFile, 'utf8');
  model = await load(given);
  ({ services } = model);
}, installMs);

const ofPlatform = (): [string, Service][] => Object.entries(services).filter(([, { image }]) => image === 'mobility:local');

describe('secrets', () => {
  test('without them it does not start, and says which are missing', async () => {
    const { status, stderr: refusal } = spawnSync(await composeLoader(), [composeFile], { encoding: 'utf8' });
    expect(status).toBe(1);
    const file = await readFile(join(repositoryRoot, 'deploy/example.env'), 'utf8');
    for (const name of [...Object.keys(given), 'PAGERDUTY_ROUTING_KEY']) {
      expect(text, `${name} may have no default`).not.toMatch(new RegExp(String.raw`\$\{${name}:?-`));
      expect(file).toMatch(new RegExp(`^${name}=`, 'm'));
    }
    for (const name of ['POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'S3_SECRET_KEY', 'MOBILITY_PUBLIC_URL']) expect(refusal).toMatch(new RegExp(`required variable ${name}`));
  });

  test('the example has no values for what protects something', async () => {
    const example = await readFile(join(repositoryRoot, 'deploy/example.env'), 'utf8');
    expect([...example.matchAll(/^(\w*(?:PASSWORD|KEY))=(.*)$/gm)].filter(([, , value]) => value !== '')).toEqual([]);
  });

  test('the owner of the database is known to `prepare` alone', () => {
    const whoKnows = Object.entries(services).filter(([, service]) => JSON.stringify([service.environment, service.command]).includes(given.POSTGRES_PASSWORD)).map(([name]) => name);
    expect(whoKnows).toEqual(['prepare']);
    for (const [name, { environment }] of ofPlatform()) if (name !== 'prepare' && environment?.['MOBILITY_DATABASE_URL']) expect(new URL(environment['MOBILITY_DATABASE_URL']).username).toBe('');
  });
});

describe('the platform', () => {
  test('has a container for each target; each knows all the others', () => {
    const targets = ofPlatform().flatMap(([name, { command }]) => (command?.[0] === 'serve' ? [[name, command[1]]] : []));
    expect(targets.map(([name]) => name).toSorted()).toEqual(names);
    for (const [name, target] of targets) expect(target).toBe(`--target=${name}`);
    for (const name of names) {
      const { MOBILITY_PEERS: peers } = readConfiguration(onlyOurs(services[name]?.environment));
      expect(Object.keys(peers).toSorted()).toEqual(names);
      for (const [peer, url] of Object.entries(peers)) expect(String(url)).toBe(`http://${peer}:8081`);
    }
  });

  const onlyOurs = (environment: Record<string, string> = {}): Record<string, string> => Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('AWS_')));

  test('every setting exists in the program and has a value that it takes', () => {
    for (const [name, { environment }] of ofPlatform()) {
      expect(Object.keys(onlyOurs(environment)).filter((setting) => !(setting in settings)), name).toEqual([]);
      expect(() => readConfiguration(onlyOurs(environment)), name).not.toThrow();
    }
  });

  test('no container may write to its image or has a right of root; each is asked how it is, and has time to finish', () => {
    for (const [name, { read_only: readOnly, cap_drop: dropped, healthcheck, command, stop_grace_period: grace }] of ofPlatform()) {
      expect({ name, readOnly, dropped }).toEqual({ name, readOnly: true, dropped: ['ALL'] });
      // The image's own check holds unless it is switched off.
      if (command?.[0] === 'serve') expect(healthcheck).toBeUndefined();
      expect(Number(/^(\d+)s$/.exec(grace ?? '')?.[1])).toBeGreaterThan(10);
    }
  });

  test('waits for its engines and for the roles in the database', () => {
    for (const name of names) expect(services[name]?.depends_on).toMatchObject({ prepare: { condition: 'service_completed_successfully' }, postgres: { condition: 'service_healthy' }, kafka: { condition: 'service_healthy' } });
  });

  test('only the doors for people and vehicles are open to the outside', () => {
    expect(Object.entries(services).filter(([, { ports, image }]) => ports && image === 'mobility:local').map(([name, { ports }]) => [name, ports?.map(({ target }) => target)])).toEqual([['gateway', [8080]], ['iot', [8883]]]);
    expect(model.networks['engines']?.internal).toBe(true);
    for (const engine of ['postgres', 'kafka', 'redis', 'dynamodb', 's3']) expect(Object.keys(services[engine]?.networks ?? {})).toEqual(['engines']);
  });
});

test('what watches finds its files, and every process is scraped', async () => {
  const watching = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('observability')).map(([name]) => name);
  expect(watching.toSorted()).toEqual(['alertmanager', 'grafana', 'victoriametrics', 'vmalert']);
  const mounted = watching.flatMap((name) => services[name]?.volumes?.map(({ source }) => source) ?? []).filter((source) => source.startsWith('./'));
  for (const source of mounted) await access(join(repositoryRoot, 'deploy', source));
  const [{ targets }] = JSON.parse(await readFile(join(repositoryRoot, 'deploy/observability/targets/compose.json'), 'utf8')) as [{ targets: string[] }];
  expect(targets.toSorted()).toEqual(names.map((name) => `${name}:8081`));
});

test('three brokers are a profile', () => {
  expect(Object.entries(services).filter(([, { profiles }]) => profiles?.includes('three-brokers')).map(([name]) => name)).toEqual(['kafka-2', 'kafka-3']);
});

test('every image has a version', () => {
  const versioned = Object.entries(services).map(([name, { image }]) => [name, image === 'mobility:local' || /:v?\d+\.\d+/.test(image)]);
  expect(versioned).toEqual(Object.keys(services).map((name) => [name, true]));
});
