import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../program/testing.ts';
import { userContract } from '../services/user/contract.ts';
import type { Operation, Role } from '../wire/contract.ts';
import { apiScopes, scopesOfRole } from './identity/scopes.ts';
import { publicContracts, type PublicOperation, publicOperations } from './routes.ts';
import { forgeToken, startGateway, type TestGateway } from './testing/start.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const roles: Role[] = ['rider', 'staff', 'admin', 'machine', 'device'];
const allScopes = `${apiScopes} internal`;
const unknownId = '0198c5a0-0000-7000-8000-00000000dead';
const guarded = publicOperations().filter((entry): entry is PublicOperation & { operation: Operation & { access: Exclude<Operation['access'], 'anyone'> } } => entry.operation.access !== 'anyone');

/** Paths with ids that nobody has. */
const pathOf = ({ path }: Operation): string => path.replaceAll(/\{[^}]+\}/g, unknownId);
const headers = { 'idempotency-key': 'matrix' };

test('GATEWAY-02: the public operations that need no token are these and no others', () => {
  const open = publicOperations().filter(({ operation }) => operation.access === 'anyone').map(({ module, name }) => `${module}.${name}`).toSorted();
  expect(open).toEqual(['rollout.getArchive', 'user.registerRider', 'vehicle.listBays', 'vehicle.listCities', 'vehicle.listZones']);
});

test.each(guarded.map((entry) => [`${entry.operation.method} ${entry.operation.path}`, entry] as const))('GATEWAY-02: %s', async (_name, { module, name, operation }) => {
  const ask = (token?: string) => gateway.call(operation.method, pathOf(operation), { token, headers });
  const anonymous = await ask();
  expect(anonymous.status).toBe(401);
  expect(anonymous.headers.get('www-authenticate')).toContain('Bearer');
  expect((await ask('not-a-token')).status).toBe(401);
  gateway.reached.length = 0;
  for (const role of roles.filter((each) => !operation.access.roles.includes(each))) {
    const response = await ask(await forgeToken(gateway, { roles: [role], scope: allScopes }));
    expect([role, response.status]).toEqual([role, 403]);
  }
  for (const role of operation.access.roles) {
    const scope = allScopes.split(' ').filter((each) => each !== operation.access.scope).join(' ');
    const response = await ask(await forgeToken(gateway, { roles: [role], scope }));
    expect([role, response.status]).toEqual([role, 403]);
  }
  expect(gateway.reached).toEqual([]);
  // The stream has no end and its query is missing here; it is refused for that, and not for its token.
  for (const role of operation.access.roles) {
    const response = await ask(await forgeToken(gateway, { roles: [role], scope: operation.access.scope, sub: unknownId }));
    await response.body?.cancel();
    expect([401, 403], `${module}.${name} as ${role}`).not.toContain(response.status);
  }
});

test('GATEWAY-02: operations for other modules are not served', async () => {
  const token = await forgeToken(gateway, { roles: ['machine'], scope: 'internal' });
  for (const { operations } of publicContracts) {
    for (const operation of Object.values(operations).filter((each) => !each.public)) {
      expect((await gateway.call(operation.method, pathOf(operation), { token, headers })).status, operation.path).toBe(404);
    }
  }
});

test('GATEWAY-12: each role that an operation names can be given its scope by signing in', () => {
  for (const { operation } of guarded) {
    for (const role of operation.access.roles) {
      if (role === 'machine' || role === 'device') continue;
      expect(scopesOfRole[role], `${operation.method} ${operation.path} as ${role}`).toContain(operation.access.scope);
    }
  }
  expect(apiScopes.split(' ')).not.toContain('internal');
});

test('GATEWAY-03: the token of a suspended account stops working, and works again when the suspension is lifted', async () => {
  const user = gateway.process.client(userContract);
  const { token, riderId } = await gateway.token('suspended@example.com');
  const status = async () => (await gateway.call('GET', '/v1/me', { token })).status;
  expect(await status()).toBe(200);
  await user.setSuspension({ params: { riderId }, body: { suspended: true } });
  await eventually(async () => (await status()) === 401);
  await user.setSuspension({ params: { riderId }, body: { suspended: false } });
  await eventually(async () => (await status()) === 200);
});

test('GATEWAY-03: the token of an erased account stops working', async () => {
  const { token } = await gateway.token('erased@example.com');
  expect((await gateway.call('DELETE', '/v1/me', { token })).status).toBe(204);
  await eventually(async () => (await gateway.call('GET', '/v1/me', { token })).status === 401);
});

test.each(['rider', 'staff', 'admin'] as const)('GATEWAY-03: who is suspended or erased is refused on every route that %s may use, and on those that anybody may use is nobody', async (role) => {
  const user = gateway.process.client(userContract);
  const [suspended, erased] = await Promise.all(['suspended', 'erased'].map((state) => gateway.token(`${state}-${role}-everywhere@example.com`, role)));
  if (!suspended || !erased) throw new Error('no tokens');
  await user.setSuspension({ params: { riderId: suspended.riderId }, body: { suspended: true } });
  expect((await gateway.call('DELETE', '/v1/me', { token: erased.token })).status).toBe(204);
  for (const { token } of [suspended, erased]) await eventually(async () => (await gateway.call('GET', '/v1/me', { token })).status === 401);
  gateway.reached.length = 0;
  for (const { operation } of publicOperations()) {
    for (const { token } of [suspended, erased]) {
      const response = await gateway.call(operation.method, pathOf(operation), { token, headers });
      await response.body?.cancel();
      expect([operation.path, response.status]).toEqual([operation.path, 401]);
    }
  }
  expect(gateway.reached).toEqual([]);
});

test('GATEWAY-02: a machine with every scope but the one, and a device, reach nothing', async () => {
  for (const { operation } of guarded) {
    const withoutIt = allScopes.split(' ').filter((scope) => scope !== operation.access.scope).join(' ');
    for (const claims of [{ roles: ['machine'], scope: withoutIt }, { roles: ['device'], scope: allScopes }, { roles: [], scope: allScopes }]) {
      const response = await gateway.call(operation.method, pathOf(operation), { token: await forgeToken(gateway, claims), headers });
      await response.body?.cancel();
      expect([operation.path, response.status]).toEqual([operation.path, 403]);
    }
  }
});
