/** Signing in as a browser does, step by step, so that each step can be done wrongly. */
import { createHash, randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { apiResource } from '../../server/gateway/identity/scopes.ts';
import type { World } from './world.ts';

/** A browser's cookies, as far as one host needs them. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async open(path: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, this.#url), { ...init, redirect: 'manual', headers: { ...(init.headers as Record<string, string>), cookie } });
    for (const text of response.headers.getSetCookie()) {
      const [pair = ''] = text.split(';');
      const [name = '', value = ''] = pair.split('=');
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }
}

export interface Proof {
  verifier: string;
  challenge: string;
}

export function pkce(): Proof {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
  id_token: string;
  error?: string;
}

export const password = 'correct horse battery';

export const locationOf = (response: Response): string => response.headers.get('location') ?? '';

export const formOf = (html: string) => ({ action: /action="([^"]+)"/.exec(html)?.[1] ?? '', csrfToken: /name="csrfToken" value="([^"]+)"/.exec(html)?.[1] ?? '' });

/** An account with a password, and the steps to sign it in. */
export async function signInFlow({ url }: Pick<World, 'url'>) {
  const email = `${v7()}@example.com`;
  const registered = await fetch(`${url}/v1/riders`, { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': v7() }, body: JSON.stringify({ email, password, name: 'Ada', birthDate: '1990-01-01' }) });
  if (registered.status !== 201) throw new Error(`not registered: ${await registered.text()}`);
  const { id } = (await registered.json()) as { id: string };

  const authorisationPath = ({ challenge }: Proof, changes: Record<string, string | undefined> = {}): string => {
    const parameters: Record<string, string | undefined> = {
      client_id: 'rider-app', response_type: 'code', redirect_uri: `${url}/callback`, scope: 'openid offline_access profile bookings', state: 'a-state', resource: apiResource,
      code_challenge: challenge, code_challenge_method: 'S256', ...changes,
    };
    return `/oidc/auth?${new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString()}`;
  };
  const askForTokens = async (fields: Record<string, string>): Promise<{ status: number; tokens: Tokens }> => {
    const response = await fetch(`${url}/oidc/token`, { method: 'POST', body: new URLSearchParams(fields) });
    return { status: response.status, tokens: (await response.json()) as Tokens };
  };
  const exchange = (code: string, verifier: string, changes: Record<string, string> = {}) =>
    askForTokens({ grant_type: 'authorization_code', client_id: 'rider-app', redirect_uri: `${url}/callback`, code, code_verifier: verifier, ...changes });
  const codeFor = async (proof: Proof, browser = new Browser(url)): Promise<string> => {
    const page = await browser.open(locationOf(await browser.open(authorisationPath(proof))));
    const { action, csrfToken } = formOf(await page.text());
    const resumed = await browser.open(action, { method: 'POST', body: new URLSearchParams({ csrfToken, email, password }) });
    const back = locationOf(await browser.open(locationOf(resumed)));
    return new URL(back).searchParams.get('code') ?? '';
  };
  return {
    email, id, authorisationPath, askForTokens, exchange, codeFor,
    refresh: (token: string) => askForTokens({ grant_type: 'refresh_token', client_id: 'rider-app', refresh_token: token }),
    async signIn(proof: Proof): Promise<{ tokens: Tokens; code: string }> {
      const code = await codeFor(proof);
      const { status, tokens } = await exchange(code, proof.verifier);
      if (status !== 200) throw new Error(`no tokens: ${JSON.stringify(tokens)}`);
      return { tokens, code };
    },
  };
}
