import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runConfig } from './commands/config.ts';
import { readConfiguration, settings } from './configuration.ts';
import { unsafeSettings } from './safety.ts';

const safe = {
  MOBILITY_MODE: 'production', MOBILITY_PUBLIC_URL: 'https://rides.example', MOBILITY_DATABASE_URL: 'postgres://mobility:v3ry-l0ng-and-random@db.example/mobility',
  MOBILITY_STRIPE_KEY: 'sk_live_of-nobody', MOBILITY_CORS_ORIGINS: 'https://partner.example', MOBILITY_TRUSTED_PROXIES: '10.0.0.0/8,192.0.2.7', MOBILITY_MAP_STYLE_URL: 'https://maps.example/style.json',
};
const faultsOf = (changes: Record<string, string> = {}) => unsafeSettings(readConfiguration({ ...safe, ...changes }));

test('THREAT-70: production starts with settings that are safe', () => {
  expect(faultsOf()).toEqual([]);
  // A proxy for TLS beside the program, and peers in a network of their own.
  expect(faultsOf({ MOBILITY_ADYEN_URL: 'http://127.0.0.1:8443', MOBILITY_PEERS: 'booking=http://booking:8081', HOST: '0.0.0.0', MOBILITY_DATABASE_URL: 'postgres://mobility:v3ry-l0ng-and-random@localhost/mobility' })).toEqual([]);
  // Schemas and roles are prepared: no account of an owner is needed any more.
  expect(faultsOf({ MOBILITY_DATABASE_URL: 'postgres://db.example/mobility?sslmode=verify-full' })).toEqual([]);
});

test.each([
  ['MOBILITY_PUBLIC_URL', ''], ['MOBILITY_PUBLIC_URL', 'http://rides.example'], ['MOBILITY_PUBLIC_URL', 'https://user:x@rides.example'], ['MOBILITY_PUBLIC_URL', 'https://rides.example/?a=1'],
  ['MOBILITY_DATABASE_URL', 'postgres://postgres:postgres@db.example/mobility'], ['MOBILITY_DATABASE_URL', 'postgres://mobility@db.example/mobility'], ['MOBILITY_DATABASE_URL', 'postgres://mobility:ChangeMe@db.example/mobility'],
  ['MOBILITY_STRIPE_KEY', 'sk_test_sandbox'], ['MOBILITY_ADYEN_KEY', 'sandbox'], ['MOBILITY_STRIPE_URL', 'http://stripe.example'], ['MOBILITY_ADYEN_URL', 'http://10.0.0.7'],
  ['MOBILITY_CORS_ORIGINS', '*'], ['MOBILITY_CORS_ORIGINS', 'http://partner.example'], ['MOBILITY_CORS_ORIGINS', 'https://partner.example/path'], ['MOBILITY_CORS_ORIGINS', 'null'],
  ['MOBILITY_TRUSTED_PROXIES', '0.0.0.0/0'], ['MOBILITY_TRUSTED_PROXIES', '::/0'], ['MOBILITY_TRUSTED_PROXIES', '*'], ['MOBILITY_MAP_STYLE_URL', 'http://maps.example/style.json'],
  ['MOBILITY_CLOCK_OFFSET_SECONDS', '60'], ['MOBILITY_NEAR_FIELD_URL', 'http://127.0.0.1:9'], ['MOBILITY_VERIFICATION', 'automatic'], ['MOBILITY_PEERS', 'booking=http://user:pass@booking:1'],
])('THREAT-70: production does not start with %s=%s, and says why', (name, value) => {
  const faults = faultsOf({ [name]: value });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain(name);
  expect(faults[0]).toMatch(/[a-z] [a-z]/);
});

test('THREAT-70: everything that is wrong is said at once, and in demo mode nothing is', () => {
  const wrong = { MOBILITY_PUBLIC_URL: 'http://rides.example', MOBILITY_VERIFICATION: 'automatic', MOBILITY_CORS_ORIGINS: '*' };
  expect(faultsOf(wrong)).toHaveLength(3);
  expect(faultsOf({ ...wrong, MOBILITY_MODE: 'demo' })).toEqual([]);
});

async function program(commandArguments: string[], environment: Record<string, string>): Promise<{ code: number | null; output: string; home: string[] }> {
  const home = await mkdtemp(join(tmpdir(), 'mobility-safety-'));
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MOBILITY_')));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...commandArguments], { env: { ...inherited, MOBILITY_HOME: home, PORT: '0', MOBILITY_RIDER_APP: 'false', ...environment } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  const left = await readdir(home);
  await rm(home, { recursive: true, force: true });
  return { code, output, home: left };
}

test('THREAT-70: the program itself refuses, before it opens anything', async () => {
  const { code, output, home } = await program(['serve'], { MOBILITY_MODE: 'production', MOBILITY_PUBLIC_URL: 'http://rides.example', MOBILITY_STRIPE_KEY: 'PLANTED-secret-value' });
  expect(code).toBe(2);
  expect(output).toContain('MOBILITY_PUBLIC_URL has to be https');
  expect(output).not.toMatch(/ {4}at |PLANTED/);
  expect(home).toEqual([]);
});

const secretNames = Object.entries(settings).flatMap(([name, { secret }]) => (secret ? [name] : []));

test('THREAT-71: secrets are marked as such, all of them', () => {
  const sounding = Object.keys(settings).filter((name) => /(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|DATABASE_URL|REDIS_URL)$/.test(name));
  expect(sounding.filter((name) => !secretNames.includes(name))).toEqual([]);
  expect(secretNames.length).toBeGreaterThanOrEqual(5);
});

test('THREAT-71: no setting that is a secret is printed: by the list of settings, by a refusal, by a failed start', async () => {
  // The database of the test run refuses this password at once.
  const { host } = new URL(process.env['MOBILITY_TEST_DATABASE_URL'] ?? 'postgres://127.0.0.1:1');
  const marked = Object.fromEntries(secretNames.map((name) => [name, /URL/.test(name) ? `postgres://postgres:PLANTED-secret-value@${host}/postgres` : 'PLANTED-secret-value']));
  let listed = '';
  const stdout = Object.assign(process.stdout, {});
  await runConfig({ ...stdout, write: (text: string) => (listed += text) !== '' } as unknown as NodeJS.WritableStream);
  expect(listed).not.toContain('PLANTED');
  for (const name of secretNames) expect(listed).toMatch(new RegExp(`${name}\\n.*\\(secret\\)`));
  for (const [name, value] of Object.entries(marked)) {
    // A value that cannot be read names the setting, not the value.
    const garbled = () => readConfiguration({ [name]: /URL/.test(name) ? `PLANTED ${value}` : '' });
    if (/URL/.test(name)) expect(garbled).toThrow(/^(?!.*PLANTED)/s);
  }
  const failed = await program(['serve'], { ...marked, MOBILITY_LOG_LEVEL: 'debug' });
  expect(failed.code).not.toBe(0);
  expect(failed.output).not.toContain('PLANTED');
}, 60_000);
