/** Hands requests under `/oidc` to the identity provider, and serves the page to sign in. */
import { createHmac } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errors } from 'oidc-provider';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { userContract } from '../../services/user/contract.ts';
import { clientKey, type Limiter } from '../limits.ts';
import { sameText } from '../same-text.ts';
import type { Identity } from './provider.ts';
import { expiredPage, localeOf, type SignInFailure, signInPage } from './pages.ts';

export interface MountOptions {
  identity: Identity;
  limiter: Limiter;
  user: Client<typeof userContract.operations>;
  /** Binds the form to the sign-in that it was made for. */
  formSecret: string;
  /** In production the one name and protocol, whatever a request's headers claim. */
  canonicalUrl: string | undefined;
  registrationUrl: string;
}

const formLimitBytes = 16 * 1024;

/** `oidc-provider` builds absolute addresses from these; a client must not choose them behind a proxy. */
function pinOrigin(request: FastifyRequest, canonicalUrl: string | undefined): void {
  const { headers } = request.raw;
  delete headers['x-forwarded-host'];
  delete headers['x-forwarded-for'];
  headers['x-forwarded-proto'] = 'http';
  if (canonicalUrl) {
    const { host, protocol } = new URL(canonicalUrl);
    headers.host = host;
    headers['x-forwarded-proto'] = protocol.slice(0, -1);
  }
}

async function forward(request: FastifyRequest, reply: FastifyReply, options: MountOptions): Promise<void> {
  pinOrigin(request, options.canonicalUrl);
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value);
  const provider = await options.identity.provider();
  reply.hijack();
  const raw = request.raw as typeof request.raw & { originalUrl?: string };
  raw.originalUrl = raw.url ?? '/';
  raw.url = raw.originalUrl.slice('/oidc'.length) || '/';
  await provider.callback()(raw, reply.raw);
}

const csrfTokenOf = (secret: string, uid: string): string => createHmac('sha256', secret).update(`sign-in:${uid}`).digest('base64url');

function failureOf(error: unknown): SignInFailure {
  if (!(error instanceof Problem)) throw error;
  return error.code === 'wrong-credentials' || error.code === 'account-suspended' || error.code === 'too-many-requests' ? error.code : 'other';
}

type SignInRequest = FastifyRequest<{ Params: { uid: string } }>;

async function signIn(request: SignInRequest, reply: FastifyReply, options: MountOptions): Promise<FastifyReply | undefined> {
  const provider = await options.identity.provider();
  const interaction = await provider.interactionDetails(request.raw, reply.raw);
  const form = new URLSearchParams(typeof request.body === 'string' ? request.body : '');
  const locale = localeOf((interaction.params['ui_locales'] as string | undefined) ?? request.headers['accept-language']);
  const csrfToken = csrfTokenOf(options.formSecret, interaction.uid);
  const action = `/sign-in/${interaction.uid}`;
  const show = (failure?: SignInFailure) =>
    reply.code(failure === undefined ? 200 : failure === 'too-many-requests' ? 429 : 401).type('text/html; charset=utf-8').header('cache-control', 'no-store')
      .send(signInPage(locale, { action, csrfToken, email: form.get('email') ?? (interaction.params['login_hint'] as string | undefined), failure, registrationUrl: options.registrationUrl }));
  if (request.method !== 'POST') return show();
  if (!sameText(form.get('csrfToken') ?? '', csrfToken)) throw new Problem('forbidden', 'This form belongs to another sign-in');
  let accountId: string;
  try {
    const account = await options.user.authenticate({ body: { email: form.get('email') ?? '', password: form.get('password') ?? '', address: clientKey(request.ip) } });
    accountId = account.id;
  } catch (error) {
    return show(failureOf(error));
  }
  const returnTo = await provider.interactionResult(request.raw, reply.raw, { login: { accountId, remember: true } }, { mergeWithLastSubmission: false });
  return reply.code(303).header('location', returnTo).header('cache-control', 'no-store').send();
}

/** Registers `/oidc/*` and `/sign-in/{uid}`. */
export async function mountIdentity(server: FastifyInstance, options: MountOptions): Promise<void> {
  const limit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const state = await options.limiter.take('client', clientKey(request.ip));
    void reply.header('ratelimit-policy', state.policy).header('ratelimit', state.limit);
  };
  await server.register(async (oidc) => {
    oidc.removeAllContentTypeParsers();
    // The identity provider reads bodies itself.
    oidc.addContentTypeParser('*', (_request, _payload, done) => done(null));
    oidc.all('/oidc/*', { onRequest: limit }, (request, reply) => forward(request, reply, options));
  });
  await server.register(async (pages) => {
    pages.removeAllContentTypeParsers();
    pages.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: formLimitBytes }, (_request, body, done) => done(null, body));
    const serve = async (request: SignInRequest, reply: FastifyReply) => {
      pinOrigin(request, options.canonicalUrl);
      try {
        return await signIn(request, reply, options);
      } catch (error) {
        if (!(error instanceof errors.SessionNotFound)) throw error;
        return reply.code(400).type('text/html; charset=utf-8').send(expiredPage(localeOf(request.headers['accept-language'])));
      }
    };
    pages.route<{ Params: { uid: string } }>({ method: ['GET', 'POST'], url: '/sign-in/:uid', onRequest: limit, handler: serve });
  });
}
