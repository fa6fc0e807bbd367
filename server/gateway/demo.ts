/** Demo mode: a bearer token by command, without signing in. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { paymentContract } from '../services/payment/contract.ts';
import { AccountRole, type userContract } from '../services/user/contract.ts';
import type { Client } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';
import { type Identity, mintAccessToken } from './identity/provider.ts';

const TokenRequest = z.strictObject({ email: z.email().max(254), role: AccountRole.default('rider') });

export interface DemoOptions {
  identity: Identity;
  user: Client<typeof userContract.operations>;
  payment: Client<typeof paymentContract.operations>;
}

const loopback = /^(::1|127\.\d+\.\d+\.\d+|::ffff:127\.\d+\.\d+\.\d+)$/;
const loopbackHost = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/** What proxies add, each kind at least one of. */
const proxyHeaders = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'forwarded', 'via', 'cf-connecting-ip', 'true-client-ip'];

/** From this machine, by its own name (a page of a rebound name is not), and neither through a proxy nor by a page of another site. */
function isLocal({ socket, headers }: FastifyRequest): boolean {
  const { origin } = headers;
  const fromPage = origin !== undefined && !(URL.canParse(origin) && loopbackHost.test(new URL(origin).host));
  return loopback.test(socket.remoteAddress ?? '') && loopbackHost.test(headers.host ?? '') && !fromPage && proxyHeaders.every((name) => headers[name] === undefined);
}

/** A sandbox card that always works, unless the account has a payment method. */
async function ensurePaymentMethod(payment: DemoOptions['payment'], id: string): Promise<void> {
  const caller = { subject: id, roles: ['rider'], scopes: ['payments'], clientId: 'demo' } as const;
  const { items } = await payment.listPaymentMethods({}, { caller });
  if (items.length === 0) await payment.addPaymentMethod({ body: { provider: 'stripe', token: 'pm_card_visa' } }, { caller, idempotencyKey: `demo-${id}` });
}

/** Registers `POST /demo/token`; to be called in demo mode only. */
export function serveDemoTokens(server: FastifyInstance, { identity, user, payment }: DemoOptions): void {
  server.post('/demo/token', async (request, reply) => {
    if (!isLocal(request)) throw new Problem('not-found');
    const parsed = TokenRequest.safeParse(request.body);
    if (!parsed.success) {
      throw new Problem('invalid-request', 'The body has to be { email, role }', { errors: parsed.error.issues.map(({ path, message }) => ({ pointer: `/body/${path.join('/')}`, message })) });
    }
    const { email, role } = parsed.data;
    const { id } = await user.ensureAccount({ body: { email, role } });
    await ensurePaymentMethod(payment, id);
    return reply.header('cache-control', 'no-store').send({ riderId: id, ...(await mintAccessToken(await identity.provider(), { id, role })) });
  });
}
