/** Stands in for PagerDuty's Events API v2: takes what is well-formed, as the real one does, and remembers it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const PagerDutyEvent = z.object({
  routing_key: z.string().length(32),
  event_action: z.enum(['trigger', 'acknowledge', 'resolve']),
  dedup_key: z.string().min(1).max(255),
  client: z.string().optional(),
  client_url: z.string().optional(),
  payload: z.object({
    summary: z.string().min(1).max(1024), source: z.string().min(1), severity: z.enum(['critical', 'warning', 'error', 'info']),
    timestamp: z.string().optional(), component: z.string().optional(), group: z.string().optional(), class: z.string().optional(), custom_details: z.record(z.string(), z.unknown()).optional(),
  }).optional(),
}).refine(({ event_action: action, payload }) => action !== 'trigger' || payload !== undefined, 'a trigger has a payload');
export type PagerDutyEvent = z.infer<typeof PagerDutyEvent>;

export interface PagerDuty {
  url: string;
  received: PagerDutyEvent[];
  /** Why something was not taken. */
  refused: string[];
  close(): Promise<void>;
}

export async function startPagerDuty(): Promise<PagerDuty> {
  const received: PagerDutyEvent[] = [];
  const refused: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const parsed = request.method === 'POST' && request.url === '/v2/enqueue' ? PagerDutyEvent.safeParse(JSON.parse(body)) : undefined;
      if (parsed?.success) received.push(parsed.data);
      else refused.push(parsed?.error.message ?? `${request.method} ${request.url}`);
      response.writeHead(parsed?.success ? 202 : 400, { 'content-type': 'application/json' }).end(JSON.stringify(parsed?.success ? { status: 'success', message: 'Event processed', dedup_key: parsed.data.dedup_key } : { status: 'invalid event' }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/enqueue`, received, refused,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
