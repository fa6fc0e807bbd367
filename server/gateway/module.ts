/** Wiring of the gateway: the one door. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineModule, type ModuleContext } from '../module.ts';
import { paymentContract } from '../services/payment/contract.ts';
import { userContract } from '../services/user/contract.ts';
import { Problem } from '../wire/problem.ts';
import { serveApp } from './app-files.ts';
import { Authenticator } from './authentication.ts';
import { gatewayContract } from './contract.ts';
import { serveDemoTokens } from './demo.ts';
import { removeExpired } from './identity/adapter.ts';
import { mountIdentity } from './identity/mount.ts';
import { accessTokenKey, developmentOrigins, Identity } from './identity/provider.ts';
import { apiResource } from './identity/scopes.ts';
import { openLimiter } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { OpenStreams } from './operations.ts';
import { openRefusals } from './refusals.ts';
import { sameText } from './same-text.ts';
import { publicOperations } from './routes.ts';
import { createServer, servePages, SilentConnections } from './server.ts';

const riderAppFolder = new URL('../../apps/rider/dist/', import.meta.url);
const cleaning = 'identity-cleaning';
const hourMs = 3600 * 1000;
const stopWithinMs = 4000;

/** File in MOBILITY_HOME with the address of the running gateway, for commands on the same machine. */
export const addressFile = 'gateway.url';

async function cleanIdentity({ database, clock }: ModuleContext): Promise<void> {
  const next = () => ({ kind: cleaning, key: 'hourly', dueAt: new Date(clock.nowMs() + hourMs) });
  database.onTimer(cleaning, () =>
    database.transaction(async (transaction) => {
      await removeExpired(transaction.sql);
      transaction.schedule(next());
    }),
  );
  await database.transaction(async (transaction) => transaction.schedule(next()));
}

type Server = Awaited<ReturnType<typeof createServer>>['server'];

function servePlatformRoutes(server: Server, { metrics, isReady, configuration }: ModuleContext, publicUrl: string): void {
  server.get('/health/live', async () => ({ status: 'live' }));
  server.get('/health/ready', async (_request, reply) => reply.code(isReady() ? 200 : 503).header('cache-control', 'no-store').send({ status: isReady() ? 'ready' : 'starting' }));
  const { MOBILITY_METRICS_TOKEN: metricsToken, demo } = configuration;
  // They tell how many people ride and where the limits are: not for everybody who reaches the one door.
  if (demo || metricsToken) {
    server.get('/metrics', async (request, reply) => {
      if (metricsToken && !sameText(request.headers.authorization ?? '', `Bearer ${metricsToken}`)) throw new Problem('unauthenticated');
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.scrape());
    });
  }
  // What the rider app has to know before anybody signs in.
  server.get('/app-configuration.json', async (_request, reply) => reply.header('cache-control', 'no-cache').send({ mapStyleUrl: configuration.MOBILITY_MAP_STYLE_URL }));
  let document: string | undefined;
  server.get('/openapi.json', async (_request, reply) => {
    document ??= JSON.stringify(openApiDocument(publicOperations(), publicUrl));
    return reply.type('application/json; charset=utf-8').header('cache-control', 'public, max-age=300').send(document);
  });
}

export const gatewayModule = defineModule<typeof gatewayContract.operations>({
  name: 'gateway',
  contract: gatewayContract,
  needs: ['user', 'vehicle', 'booking', 'payment', 'iot', 'telemetry', 'incident', 'rollout'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { configuration, keys, database, cache, logger, metrics, tracer, clock, events } = context;
    const { demo } = configuration;
    const publicUrl = configuration.publicUrl.replace(/\/$/, '');
    const user = context.client(userContract);
    const limiter = openLimiter(cache, { user: configuration.MOBILITY_LIMIT_PER_USER, client: configuration.MOBILITY_LIMIT_PER_CLIENT });
    const refusals = await openRefusals(database, logger, () => clock.now());
    const identity = new Identity({ publicUrl, demo, keys, sql: database.sql, user, log: (fields, message) => logger.error(fields, message) });
    await identity.provider();
    const authenticator = new Authenticator({
      publicKey: accessTokenKey(keys), issuer: `${publicUrl}/oidc`, audience: apiResource, isRefused: (subject) => refusals.isRefused(subject),
    });
    const streams = new OpenStreams();
    const security = {
      publicUrl, demo, corsOrigins: configuration.MOBILITY_CORS_ORIGINS, mapStyleUrl: configuration.MOBILITY_MAP_STYLE_URL, redirectOrigins: demo ? developmentOrigins : [],
    };
    const { server, notFound } = await createServer({
      logger, metrics, tracer, traceIds: configuration.MOBILITY_TRACE_IDS, authenticator, limiter, streams, isReady: () => context.isReady(), operations: publicOperations(),
      dispatchTo: (module) => context.dispatchTo(module),
      trustedProxies: configuration.MOBILITY_TRUSTED_PROXIES,
      security,
    });
    const formSecret = await keys.secret('sign-in-forms');
    await servePages(server, security, async (pages) => {
      await mountIdentity(pages, { identity, limiter, user, formSecret, canonicalUrl: demo ? undefined : publicUrl, registrationUrl: '/sign-up' });
      if (demo) serveDemoTokens(pages, { identity, user, payment: context.client(paymentContract) });
      servePlatformRoutes(pages, context, publicUrl);
      if (configuration.MOBILITY_RIDER_APP) await serveApp(pages, riderAppFolder, notFound);
      else pages.setNotFoundHandler(notFound);
    });
    await cleanIdentity(context);
    const silent = new SilentConnections(server.server);
    await server.listen({ host: configuration.HOST, port: configuration.PORT });
    await writeFile(join(configuration.MOBILITY_HOME, addressFile), publicUrl);
    return {
      handlers: {
        countEvents: async () => {
          const { published, handled } = await events.statistics();
          return { eventsPublished: published, eventsHandled: handled };
        },
      },
      async closeDoor() {
        streams.end();
        silent.destroy();
        // Requests that were accepted are finished; a client that never ends its own is cut off.
        const cutOff = setTimeout(() => server.server.closeAllConnections(), stopWithinMs);
        await server.close();
        clearTimeout(cutOff);
      },
      stop: async () => refusals.close(),
    };
  },
});
