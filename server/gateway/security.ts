/** Headers that tell browsers what our pages may do, and which other origins may call. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';

export interface SecurityOptions {
  publicUrl: string;
  demo: boolean;
  corsOrigins: readonly string[];
  mapStyleUrl: string | undefined;
  /** Where sign-in may lead back to; browsers apply `form-action` to redirects as well. */
  redirectOrigins: readonly string[];
}

/** What the rider app needs: itself, the map with its worker, and in demo mode the stand-in for the radio link to a vehicle. */
export function contentSecurityPolicy({ publicUrl, demo, mapStyleUrl, redirectOrigins }: Omit<SecurityOptions, 'corsOrigins'>): Record<string, string[] | null> {
  const mapOrigins = mapStyleUrl ? [new URL(mapStyleUrl).origin] : [];
  const loopback = demo ? ['http://localhost:*', 'http://127.0.0.1:*'] : [];
  return {
    'default-src': ["'self'"],
    'script-src': ["'self'"],
    'script-src-attr': ["'none'"],
    'style-src': ["'self'", "'unsafe-inline'"],
    'img-src': ["'self'", 'data:', 'blob:', ...mapOrigins],
    'font-src': ["'self'", 'data:'],
    'connect-src': ["'self'", ...mapOrigins, ...loopback],
    'worker-src': ["'self'", 'blob:'],
    'child-src': ['blob:'],
    // 3-D Secure challenges are pages of the payment provider.
    'frame-src': ["'self'", ...(demo ? loopback : ['https:'])],
    'frame-ancestors': ["'none'"],
    'object-src': ["'none'"],
    'base-uri': ["'self'"],
    'form-action': ["'self'", ...redirectOrigins],
    'manifest-src': ["'self'"],
    'upgrade-insecure-requests': publicUrl.startsWith('https:') ? [] : null,
  };
}

/**
 * The headers of every page, as `helmet` makes them. None depends on the request, so they are made once:
 * making them for each request cost a third of its time.
 */
export function pageHeaders(options: SecurityOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = { setHeader: (name: string, value: string) => void (headers[name.toLowerCase()] = value), removeHeader: () => undefined };
  const setHeaders = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy(options) as never },
    // Tiles and styles of maps come from other origins without CORP headers.
    crossOriginEmbedderPolicy: false,
    crossOriginResourcePolicy: { policy: options.corsOrigins.length > 0 ? 'cross-origin' : 'same-origin' },
    strictTransportSecurity: options.publicUrl.startsWith('https:') ? { maxAge: 365 * 24 * 3600, includeSubDomains: true } : false,
    xFrameOptions: { action: 'deny' },
    xXssProtection: false,
  });
  let failure: unknown;
  setHeaders({} as never, response as never, (error?: unknown) => void (failure = error));
  if (failure) throw failure;
  return headers;
}

/** The headers of every answer of the API: for one caller and now; nothing in it may run or be framed. */
export function answerHeaders({ publicUrl }: Pick<SecurityOptions, 'publicUrl'>): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    ...(publicUrl.startsWith('https:') && { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }),
  };
}

/** Lets the browsers of named origins call; without any, browsers allow our own pages alone. */
export async function allowOrigins(server: FastifyInstance, { corsOrigins }: Pick<SecurityOptions, 'corsOrigins'>): Promise<void> {
  if (corsOrigins.length === 0) return;
  await server.register(cors, {
    origin: [...corsOrigins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-request-id', 'traceparent'],
    exposedHeaders: ['x-request-id', 'ratelimit', 'ratelimit-policy', 'retry-after', 'www-authenticate'],
    maxAge: 600,
  });
}
