/** The rider app: its files, and its page for every path that people may have bookmarked. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import compress from '@fastify/compress';
import serveStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Names with a digest of the content never change their content. */
const digestInName = /[.-][0-9a-f]{16,}\.[a-z0-9.]+$/;

/** @param notFound answers when no route and no file fits, and nobody navigates */
export async function serveApp(server: FastifyInstance, folderUrl: URL, notFound: (request: FastifyRequest, reply: FastifyReply) => FastifyReply): Promise<void> {
  const folder = fileURLToPath(folderUrl);
  await mkdir(folder, { recursive: true });
  await server.register(async (app) => {
    await app.register(compress, { threshold: 1024, encodings: ['br', 'gzip'] });
    await app.register(serveStatic, {
      root: folder,
      cacheControl: false,
      wildcard: true,
      setHeaders: (response, path) => void response.header('cache-control', digestInName.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache'),
    });
    app.setNotFoundHandler((request, reply) => {
      const navigation = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
      if (navigation && !/^\/(v1|oidc|demo|sign-in|health|_expo|assets)(\/|$)/.test(request.url) && existsSync(join(folder, 'index.html'))) {
        return reply.header('cache-control', 'no-cache').sendFile('index.html');
      }
      return notFound(request, reply);
    });
  });
}
