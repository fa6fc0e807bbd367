/** Every route that a server of the program has registered, held against what is declared. A route that nobody declared fails here. */
import { beforeAll, expect, test } from 'vitest';
import { publicOperations, routerPath } from '../../server/gateway/routes.ts';
import { type World, world } from './world.ts';

let all: World;
beforeAll(async () => {
  all = await world();
});

/** What the gateway serves beside the operations of contracts: for whom, and why that is right. */
const declared: Record<string, string> = {
  'GET /health/live': 'anyone: whether the process answers at all; says nothing else',
  'GET /health/ready': 'anyone: whether it takes requests; says nothing else',
  'GET /metrics': 'demo: anyone; production: the scraper by its token, or not there (GATEWAY-19)',
  'GET /app-configuration.json': 'anyone: where the map comes from, which the page tells everybody anyway',
  'GET /openapi.json': 'anyone: the description of the public API',
  'POST /demo/token': 'demo only, this machine only (GATEWAY-15)',
  'GET /sign-in/:uid': 'the browser that began to sign in (GATEWAY-13)',
  'POST /sign-in/:uid': 'the browser that began to sign in, with the token of its form (GATEWAY-13)',
};
const methodsOfOidc = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY', 'MOVE', 'LOCK', 'UNLOCK', 'TRACE', 'SEARCH', 'REPORT', 'MKCALENDAR'];

test('THREAT-04: the servers of the program have the routes of the contracts, those that are declared here, and no others', () => {
  const ofContracts = publicOperations().map(({ operation }) => `${operation.method} ${routerPath(operation.path)}`);
  const expected = new Set([...ofContracts, ...Object.keys(declared)]);
  const registered = [...all.routes].filter((route) => !(route.startsWith('HEAD ') && all.routes.has(`GET ${route.slice(5)}`)));
  const unknown = registered.filter((route) => !expected.has(route) && !(route.endsWith(' /oidc/*') && methodsOfOidc.includes(route.split(' ')[0] ?? '')));
  expect(unknown).toEqual([]);
  expect([...expected].filter((route) => !all.routes.has(route))).toEqual([]);
});

test('THREAT-04: what is served to anyone says nothing about anybody', async () => {
  const rider = await all.user();
  for (const route of Object.keys(declared).filter((each) => each.startsWith('GET ') && !each.includes(':'))) {
    const text = await (await fetch(`${all.url}${route.slice(4)}`)).text();
    expect(text, route).not.toContain(rider.id);
    expect(text, route).not.toContain(rider.email);
    expect(text, route).not.toMatch(/postgres:\/\/|sk_test|BEGIN .*PRIVATE/);
  }
});

/** The paths of the identity provider that are there, by asking for all that its library could serve. */
test('THREAT-05: of the identity provider only what our clients use is switched on', async () => {
  const { issuer, ...offered } = (await (await fetch(`${all.url}/oidc/.well-known/openid-configuration`)).json()) as Record<string, unknown> & { issuer: string };
  expect(issuer).toBe(`${all.url}/oidc`);
  expect(offered['request_parameter_supported']).not.toBe(true);
  const endpoints = Object.entries(offered).flatMap(([name]) => (name.endsWith('_endpoint') || name === 'jwks_uri' ? [name] : []));
  expect(endpoints.toSorted()).toEqual(['authorization_endpoint', 'end_session_endpoint', 'jwks_uri', 'revocation_endpoint', 'token_endpoint']);
  expect(offered).toMatchObject({ response_types_supported: ['code'], code_challenge_methods_supported: ['S256'], id_token_signing_alg_values_supported: ['ES256'], claims_parameter_supported: false, request_uri_parameter_supported: false });
  expect([...(offered['grant_types_supported'] as string[])].toSorted()).toEqual(['authorization_code', 'client_credentials', 'refresh_token']);
  for (const path of ['/oidc/reg', '/oidc/me', '/oidc/request', '/oidc/device', '/oidc/device/auth', '/oidc/backchannel', '/oidc/token/introspection', '/oidc/challenge', '/oidc/nonce', '/oidc/ciba']) {
    for (const method of ['GET', 'POST']) expect([path, (await fetch(`${all.url}${path}`, { method, redirect: 'manual' })).status]).toEqual([path, 404]);
  }
  const { keys } = (await (await fetch(`${all.url}/oidc/jwks`)).json()) as { keys: Record<string, unknown>[] };
  for (const key of keys) expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
});
