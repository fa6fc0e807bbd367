/** The rider app's side of OAuth 2: authorization code with PKCE, rotating refresh tokens. */
import { Failure } from '../api/failure';
import { challengeOf, randomToken } from './pkce';

const clientId = 'rider-app';
const scope = 'openid offline_access profile vehicles:read bookings payments incidents:answer';
const resource = 'urn:mobility:api';

export interface Tokens {
  accessToken: string;
  refreshToken: string | undefined;
  idToken: string | undefined;
  /** Milliseconds since 1970. */
  expiresAtMs: number;
}

/** What has to be remembered between leaving for the sign-in page and coming back. */
export interface PendingSignIn {
  state: string;
  verifier: string;
  redirectUri: string;
}

interface TokenReply {
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  expires_in?: number;
}

export async function beginSignIn(origin: string, redirectUri: string, locale: string, email?: string): Promise<{ address: string; pending: PendingSignIn }> {
  const pending = { state: randomToken(), verifier: randomToken(), redirectUri };
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    resource,
    state: pending.state,
    code_challenge: await challengeOf(pending.verifier),
    code_challenge_method: 'S256',
    ui_locales: locale,
    ...(email && { login_hint: email }),
  });
  return { address: `${origin}/oidc/auth?${query.toString()}`, pending };
}

async function askForTokens(origin: string, form: Record<string, string>, nowMs: number): Promise<Tokens> {
  let response: Response;
  try {
    response = await fetch(`${origin}/oidc/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({ client_id: clientId, resource, ...form }).toString(),
      credentials: 'omit',
    });
  } catch {
    throw new Failure('offline');
  }
  if (response.status >= 500 || response.status === 429) throw new Failure('unavailable', response.status);
  if (!response.ok) throw new Failure('session-ended', response.status);
  const reply = (await response.json()) as TokenReply;
  return { accessToken: reply.access_token, refreshToken: reply.refresh_token, idToken: reply.id_token, expiresAtMs: nowMs + (reply.expires_in ?? 300) * 1000 };
}

/**
 * Turns the address of `/callback` into tokens.
 * @throws Failure `session-ended` when the answer is not the one that was asked for, or the rider refused
 */
export async function finishSignIn(origin: string, address: string, pending: PendingSignIn | undefined, nowMs: number): Promise<Tokens> {
  const answer = new URL(address).searchParams;
  const code = answer.get('code');
  if (!code || !pending || answer.get('state') !== pending.state) throw new Failure('session-ended');
  return askForTokens(origin, { grant_type: 'authorization_code', code, redirect_uri: pending.redirectUri, code_verifier: pending.verifier }, nowMs);
}

/** @throws Failure `session-ended` when the refresh token is used up, `offline` when nobody answers */
export async function refreshTokens(origin: string, refreshToken: string, nowMs: number): Promise<Tokens> {
  const tokens = await askForTokens(origin, { grant_type: 'refresh_token', refresh_token: refreshToken }, nowMs);
  return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken };
}

/** Tells the platform that a refresh token is not wanted any more; best effort, the token ends by itself too. */
export async function revokeTokens(origin: string, refreshToken: string): Promise<void> {
  await fetch(`${origin}/oidc/token/revocation`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ client_id: clientId, token: refreshToken, token_type_hint: 'refresh_token' }).toString(),
    credentials: 'omit',
  }).catch(() => undefined);
}

/** The page of the platform that ends its own session and leads back. */
export function signOutAddress(origin: string, backTo: string, idToken: string | undefined): string {
  const query = new URLSearchParams({ client_id: clientId, post_logout_redirect_uri: backTo, ...(idToken && { id_token_hint: idToken }) });
  return `${origin}/oidc/session/end?${query.toString()}`;
}
