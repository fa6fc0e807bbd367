/** Stands before an engine that speaks HTTP, and answers some requests in its place: throttled, or not in service. */
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { Random } from '../../simulator/randomness.ts';

export interface Refusal {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** As DynamoDB says that a table is asked for more than it was given. */
export const throttled: Refusal = {
  status: 400, headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-errortype': 'ProvisionedThroughputExceededException' },
  body: JSON.stringify({ __type: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException', message: 'The level of configured provisioned throughput for the table was exceeded' }),
};

/** As S3 asks for fewer requests. */
export const slowDown: Refusal = { status: 503, headers: { 'content-type': 'application/xml' }, body: '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>' };

export interface HttpProxy {
  port: number;
  /** @param share of requests, 0 to 1, that are answered with the refusal and go no further */
  refuse(share: number, refusal: Refusal): void;
  /** How many were refused so far. */
  refused(): number;
  close(): Promise<void>;
}

export async function openHttpProxy(targetPort: number, random: Random): Promise<HttpProxy> {
  let current: { share: number; refusal: Refusal } | undefined;
  let refused = 0;
  const server = createServer((incoming, outgoing) => {
    if (current && random() < current.share) {
      refused += 1;
      incoming.resume();
      outgoing.writeHead(current.refusal.status, current.refusal.headers).end(current.refusal.body);
      return;
    }
    const onward = forward({ host: '127.0.0.1', port: targetPort, method: incoming.method, path: incoming.url, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    // An engine that is gone is a connection that breaks, here as there.
    onward.on('error', () => outgoing.destroy());
    incoming.on('error', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    port: address.port,
    refuse(share, refusal) {
      current = share > 0 ? { share, refusal } : undefined;
    },
    refused: () => refused,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
