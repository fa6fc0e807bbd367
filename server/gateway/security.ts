/** Headers that tell browsers what our pages may do, and which other origins may call. */
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

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

export async function addSecurity(server: FastifyInstance, options: SecurityOptions): Promise<void> {
  const secure = options.publicUrl.startsWith('https:');
  await server.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy(options) as never },
    // Tiles and styles of maps come from other origins without CORP headers.
    crossOriginEmbedderPolicy: false,
    crossOriginResourcePolicy: { policy: options.corsOrigins.length > 0 ? 'cross-origin' : 'same-origin' },
    strictTransportSecurity: secure ? { maxAge: 365 * 24 * 3600, includeSubDomains: true } : false,
    xXssProtection: false,
    xFrameOptions: { action: 'deny' },
  });
  if (options.corsOrigins.length === 0) return;
  await server.register(cors, {
    origin: [...options.corsOrigins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-request-id', 'traceparent'],
    exposedHeaders: ['x-request-id', 'ratelimit', 'ratelimit-policy', 'retry-after', 'www-authenticate'],
    maxAge: 600,
  });
}
