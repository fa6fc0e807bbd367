/** For tests of the gateway: the real gateway and user service, and stand-ins for the others. */
import { SignJWT } from 'jose';
import { v7 } from 'uuid';
import { freePort } from '../../infra/free-port.ts';
import { iotContract } from '../../iot/contract.ts';
import type { Module } from '../../module.ts';
import { moduleOf, startModules, type TestProcess } from '../../program/testing.ts';
import { bookingContract } from '../../services/booking/contract.ts';
import { incidentContract } from '../../services/incident/contract.ts';
import { paymentContract } from '../../services/payment/contract.ts';
import { rolloutContract } from '../../services/rollout/contract.ts';
import { telemetryContract } from '../../services/telemetry/contract.ts';
import { userModule } from '../../services/user/module.ts';
import { vehicleContract } from '../../services/vehicle/contract.ts';
import { type Contract, type Handlers, type Operations, RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { apiResource } from '../identity/scopes.ts';
import { gatewayModule } from '../module.ts';

export interface TestGateway {
  url: string;
  process: TestProcess;
  /** `module.operation` of every call that reached a stand-in. */
  reached: string[];
  /** Streams of the stand-ins: how many are open, and how much a stream that never waits has made of what it could. */
  streams: { open: number; chunks: number; allChunks: number };
  /** A bearer token by the demo route. */
  token(email: string, role?: 'rider' | 'staff' | 'admin'): Promise<{ token: string; riderId: string }>;
  call(method: string, path: string, options?: { token?: string; body?: unknown; headers?: Record<string, string> }): Promise<Response>;
  stop(): Promise<void>;
}

/** Answers `not-found` to whatever reaches it, unless a handler is given, and notes that it was reached. */
function standIn<O extends Operations>(contract: { module: string; operations: O; events: Contract['events'] }, reached: string[], handlers: Partial<Handlers<O>> = {}): Module {
  const all = Object.keys(contract.operations).map((name) => [name, (call: never) => {
    reached.push(`${contract.module}.${name}`);
    const given = handlers[name] as ((call: never) => Promise<unknown>) | undefined;
    if (given) return given(call);
    throw new Problem('not-found', 'stand-in');
  }]);
  return moduleOf(contract, Object.fromEntries(all) as Partial<Handlers<O>>);
}

async function* ticks(signal: AbortSignal, streams: TestGateway['streams']): AsyncGenerator<string> {
  streams.open++;
  try {
    for (let number = 0; !signal.aborted; number++) {
      yield `event: upsert\ndata: {"number":${number}}\n\n`;
      await new Promise((resume) => setTimeout(resume, 5));
    }
  } finally {
    streams.open--;
  }
}

async function* flood(streams: TestGateway['streams']): AsyncGenerator<Uint8Array> {
  for (; streams.chunks < streams.allChunks; streams.chunks++) yield new Uint8Array(64 * 1024);
}

/** Starts on a free port. @param environment settings beside the test's own */
export async function startGateway(environment: Record<string, string> = {}): Promise<TestGateway> {
  const reached: string[] = [];
  const streams = { open: 0, chunks: 0, allChunks: 1000 };
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const methods: { riderId: string }[] = [];
  const process = await startModules([
    gatewayModule, userModule, standIn(iotContract, reached), standIn(rolloutContract, reached),
    standIn(telemetryContract, reached, { streamLive: async ({ signal }) => new RawReply('text/event-stream', ticks(signal, streams)) }),
    standIn(incidentContract, reached, {
      listIncidents: async () => ({ items: [] }),
      streamIncidents: async ({ signal }) => new RawReply('text/event-stream', ticks(signal, streams)),
    }),
    standIn(vehicleContract, reached, {
      countVehicles: async () => ({ vehicles: { scooter: { available: 2 } } }),
      listCities: async () => ({ items: [] }),
      searchVehicles: async () => ({ items: [] }),
      streamVehicles: async ({ signal }) => new RawReply('text/event-stream', ticks(signal, streams)),
    }),
    standIn(bookingContract, reached, {
      countBookings: async () => ({ bookings: { riding: 1 } }),
      getPhoto: async () => new RawReply('image/jpeg', flood(streams)),
      uploadPhoto: async ({ uploads }) => {
        if (uploads.length !== 1) throw new Problem('photo-unreadable');
        return { id: '0198c5a0-0000-7000-8000-000000000001' };
      },
    }),
    standIn(paymentContract, reached, {
      listPaymentMethods: async ({ caller }) => ({ items: methods.filter((method) => method.riderId === caller?.subject).map(() => ({ id: '0198c5a0-0000-7000-8000-000000000002', provider: 'stripe', brand: 'visa', last4: '4242', createdAt: '2026-01-01T00:00:00Z' })) }),
      addPaymentMethod: async ({ caller }) => {
        methods.push({ riderId: caller?.subject ?? '' });
        return { id: '0198c5a0-0000-7000-8000-000000000002', provider: 'stripe', brand: 'visa', last4: '4242', createdAt: '2026-01-01T00:00:00Z' };
      },
      getLedger: async () => ({ ledgerBalance: { EUR: 0 }, accounts: [] }),
      getReceipt: async ({ accept }) => new RawReply(accept, accept === 'text/html' ? '<p>receipt</p>' : new Uint8Array([37, 80, 68, 70])),
    }),
  ], { environment: { PORT: String(port), MOBILITY_LIMIT_PER_CLIENT: '100000', MOBILITY_LIMIT_PER_USER: '100000', ...environment } });

  const call: TestGateway['call'] = (method, path, { token, body, headers } = {}) =>
    fetch(`${url}${path}`, {
      method, redirect: 'manual',
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    url, process, reached, streams, call,
    async token(email, role = 'rider') {
      const response = await call('POST', '/demo/token', { body: { email, role } });
      if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
      return (await response.json()) as { token: string; riderId: string };
    },
    stop: () => process.dispose(),
  };
}

/** A token with any claims, signed with the platform's own key: for what nobody is given by signing in. */
export async function forgeToken(gateway: TestGateway, claims: { sub?: string; roles?: readonly string[]; scope?: string }): Promise<string> {
  const { privateKey, keyId } = await gateway.process.ports.keys.signingKey('tokens', 'ES256');
  return new SignJWT({ client_id: 'test', roles: claims.roles ?? ['rider'], scope: claims.scope ?? 'profile' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keyId }).setIssuer(`${gateway.url}/oidc`).setAudience(apiResource)
    .setSubject(claims.sub ?? v7()).setIssuedAt().setExpirationTime('5m').sign(privateKey);
}
