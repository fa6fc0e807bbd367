/** OAuth 2.1 and OpenID Connect by `oidc-provider`: who may sign in where, and what tokens say. */
import { errors, Provider, type Configuration as ProviderConfiguration, type ClientMetadata, type KoaContextWithOIDC } from 'oidc-provider';
import type { CryptoKey } from 'jose';
import type { Sql } from 'postgres';
import type { Keys, SigningKey } from '../../infra/keys/port.ts';
import type { Client, Role } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { userContract } from '../../services/user/contract.ts';
import { PostgresAdapter } from './adapter.ts';
import { errorPage, logoutPage, loggedOutPage, localeOf } from './pages.ts';
import { apiResource, apiScopes, scopesOfRoles } from './scopes.ts';

export const accessTokenLifetimeSeconds = 15 * 60;
const daySeconds = 24 * 3600;

export interface IdentityOptions {
  /** Where people reach the gateway, without a slash at the end. */
  publicUrl: string;
  demo: boolean;
  keys: Keys;
  sql: Sql;
  user: Client<typeof userContract.operations>;
  log(fields: object, message: string): void;
}

/** Where the app's own development server listens; sign-in may lead there in demo mode. */
export const developmentOrigins = ['http://localhost:8081'];

/** The first-party clients: the rider app, and in demo mode the city simulator. */
async function clientsOf({ publicUrl, demo, keys }: IdentityOptions): Promise<ClientMetadata[]> {
  const { port } = new URL(publicUrl);
  // The same gateway under its other name is another origin.
  const development = demo ? [...developmentOrigins, `http://localhost${port && `:${port}`}`, `http://127.0.0.1${port && `:${port}`}`] : [];
  const origins = [...new Set([publicUrl, ...development])];
  const clients: ClientMetadata[] = [{
    client_id: 'rider-app', client_name: 'Rider app', token_endpoint_auth_method: 'none', application_type: 'web',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    redirect_uris: origins.map((origin) => `${origin}/callback`), post_logout_redirect_uris: origins.flatMap((origin) => [origin, `${origin}/`]),
  }];
  if (demo) {
    clients.push({
      client_id: 'simulator', client_name: 'City simulator', client_secret: await keys.secret('client:simulator'),
      grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'devices:provision devices:read vehicles:read cities:manage vehicles:manage rollouts:read',
    });
  }
  return clients;
}

/** First-party clients need no consent: the grant has what the account's roles allow, and rejects the rest. */
async function grantFor(context: KoaContextWithOIDC, user: IdentityOptions['user']) {
  const { oidc } = context;
  const accountId = oidc.session?.accountId;
  const clientId = oidc.client?.clientId;
  if (!accountId || !clientId) return undefined;
  const known = oidc.session?.grantIdFor(clientId);
  const grant = (known ? await oidc.provider.Grant.find(known) : undefined) ?? new oidc.provider.Grant({ accountId, clientId });
  const { roles } = await user.getAccount({ params: { riderId: accountId } });
  const allowed = scopesOfRoles(roles);
  const requested = [...oidc.requestParamScopes];
  const ofApi = new Set(apiScopes.split(' '));
  const withheld = requested.filter((scope) => ofApi.has(scope) && !allowed.has(scope));
  grant.addOIDCScope(requested.filter((scope) => !withheld.includes(scope)).join(' '));
  grant.rejectOIDCScope(withheld.join(' '));
  grant.addResourceScope(apiResource, requested.filter((scope) => allowed.has(scope)).join(' '));
  grant.rejectResourceScope(apiResource, requested.filter((scope) => !allowed.has(scope)).join(' '));
  await grant.save();
  return grant;
}

/** @returns undefined for accounts that may not sign in any more */
async function livingAccount(user: IdentityOptions['user'], accountId: string) {
  try {
    const account = await user.getAccount({ params: { riderId: accountId } });
    return account.state === 'active' ? account : undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return undefined;
    throw error;
  }
}

function features(): ProviderConfiguration['features'] {
  return {
    devInteractions: { enabled: false },
    // Our app and machines use none of these: what is not there cannot be attacked.
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => void (context.body = logoutPage(localeOf(context.get('accept-language')), form)),
      postLogoutSuccessSource: (context) => void (context.body = loggedOutPage(localeOf(context.get('accept-language')))),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => apiResource,
      useGrantedResource: () => true,
      getResourceServerInfo(_context, indicator) {
        if (indicator !== apiResource) throw new errors.InvalidTarget();
        return { scope: apiScopes, audience: apiResource, accessTokenTTL: accessTokenLifetimeSeconds, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
      },
    },
  };
}

async function configurationOf(options: IdentityOptions, signingKeys: readonly SigningKey[]): Promise<ProviderConfiguration> {
  const { keys, user, sql, publicUrl, demo } = options;
  const secure = publicUrl.startsWith('https:');
  const cookie = { httpOnly: true, overwrite: true, signed: true, sameSite: 'lax', secure } as const;
  // By these names browsers take a cookie over HTTPS only, and the session's not from a neighbouring subdomain either.
  const names = secure ? { session: '__Host-session', interaction: '__Secure-interaction', resume: '__Secure-resume' } : undefined;
  const appOrigins = (await clientsOf(options)).flatMap((client) => client.redirect_uris ?? []).map((uri) => new URL(uri).origin);
  return {
    adapter: (model: string) => new PostgresAdapter(sql, model),
    clients: await clientsOf(options),
    jwks: { keys: signingKeys.map(({ privateJwk }) => privateJwk as never) },
    cookies: { keys: [await keys.secret('cookies')], long: cookie, short: cookie, ...(names && { names }) },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    responseTypes: ['code'],
    // Scopes that a machine is registered with have to be known here as well.
    scopes: ['openid', 'offline_access', ...apiScopes.split(' ')],
    claims: { openid: ['sub'], profile: ['name', 'locale'] },
    pkce: { required: () => true },
    features: features(),
    rotateRefreshToken: true,
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    clientBasedCORS: (_context, origin) => appOrigins.includes(origin) && demo,
    findAccount: async (_context, accountId) => {
      const account = await livingAccount(user, accountId);
      return account && { accountId, claims: async () => ({ sub: accountId, name: account.name, locale: account.locale }) };
    },
    loadExistingGrant: (context) => grantFor(context, user),
    extraTokenClaims: async (_context, token): Promise<{ roles: readonly Role[] }> =>
      token.kind === 'AccessToken' ? { roles: (await user.getAccount({ params: { riderId: token.accountId } })).roles } : { roles: ['machine'] },
    interactions: { url: (_context, interaction) => `/sign-in/${interaction.uid}` },
    renderError: (context, out) => {
      context.type = 'html';
      context.body = errorPage(localeOf(context.get('accept-language')), out.error_description ?? out.error);
    },
    ttl: {
      AccessToken: accessTokenLifetimeSeconds, ClientCredentials: accessTokenLifetimeSeconds, AuthorizationCode: 60, IdToken: 3600,
      Interaction: 3600, Session: 14 * daySeconds, Grant: 90 * daySeconds, RefreshToken: 30 * daySeconds,
    },
  };
}

/** @param signingKeys the first one signs; the others are published, because their signatures are good, or will be */
async function openProvider(options: IdentityOptions, signingKeys: readonly SigningKey[]): Promise<Provider> {
  const provider = new Provider(`${options.publicUrl}/oidc`, await configurationOf(options, signingKeys));
  // The gateway says by which name and protocol it was reached; see `mount`.
  provider.proxy = true;
  provider.on('server_error', (_context, error) => options.log({ error }, 'identity provider failed'));
  return provider;
}

/** The identity provider with the keys of the moment. What it knows is in the database, so another can take its place at any time. */
export class Identity {
  readonly #options: IdentityOptions;
  #keyIds = '';
  #provider: Promise<Provider> | undefined;

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  /** `callback()` of it is mounted at `/oidc`. Ask again for each use. */
  async provider(): Promise<Provider> {
    const { keys } = this.#options;
    const signing = await keys.signingKey('tokens', 'ES256');
    const others = (await keys.verificationKeys('tokens', 'ES256')).filter(({ keyId }) => keyId !== signing.keyId);
    const signingKeys = [signing, ...others];
    const keyIds = signingKeys.map(({ keyId }) => keyId).join(' ');
    if (!this.#provider || keyIds !== this.#keyIds) {
      this.#keyIds = keyIds;
      this.#provider = openProvider(this.#options, signingKeys);
    }
    return this.#provider;
  }
}

/** Finds the key that an access token names, among ours alone. @throws Error when it names none of them */
export function accessTokenKey(keys: Keys): (header: { kid?: string | undefined }) => Promise<CryptoKey> {
  return async ({ kid }) => {
    const key = (await keys.verificationKeys('tokens', 'ES256')).find(({ keyId }) => keyId === kid);
    if (!key) throw new Error('the token names no key of ours');
    return key.publicKey;
  };
}

/** An access token for an account without signing in; what the demo route gives out. */
export async function mintAccessToken(provider: Provider, account: { id: string; role: 'rider' | 'staff' | 'admin' }): Promise<{ token: string; expiresInSeconds: number }> {
  const client = await provider.Client.find('rider-app');
  if (!client) throw new Error('client rider-app is not registered');
  const token = new provider.AccessToken({ accountId: account.id, client, grantId: `demo-${account.id}`, gty: 'demo', scope: [...scopesOfRoles([account.role])].join(' ') } as never);
  token.resourceServer = new provider.ResourceServer(apiResource, {
    scope: apiScopes, audience: apiResource, accessTokenTTL: accessTokenLifetimeSeconds, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
  });
  token.extra = { roles: [account.role] };
  return { token: await token.save(), expiresInSeconds: accessTokenLifetimeSeconds };
}
