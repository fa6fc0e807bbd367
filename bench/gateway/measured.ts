/** A server of `server.ts` in a process of its own, and the load on it. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

const connections = 50;

export interface MeasuredServer {
  child: ChildProcess;
  urls: Record<string, string>;
  token?: string;
}

export interface LoadFigures {
  perSecond: number;
  /** Of the server's process. */
  processorMicrosecondsEach: number;
  p50Ms: number;
  p99Ms: number;
}

/** @throws Error when the server ends before it listens */
export async function startServer(kind: 'bare' | 'gateway', environment: Record<string, string> = {}): Promise<MeasuredServer> {
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), [kind], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...environment } });
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ${kind} ended with ${String(code)} before it listened`)));
  const [told] = (await Promise.race([once(child, 'message'), ended])) as [Omit<MeasuredServer, 'child'>];
  // From here on its end is no failure.
  ended.catch(() => undefined);
  return { child, ...told };
}

async function processorSeconds({ child }: MeasuredServer): Promise<number> {
  child.send('usage');
  const [{ processorSeconds: used }] = (await once(child, 'message')) as [{ processorSeconds: number }];
  return used;
}

/** @throws Error when any request was not answered with 200 */
export async function load(server: MeasuredServer, route: string, seconds: number): Promise<LoadFigures> {
  const before = await processorSeconds(server);
  const result = await autocannon({
    url: server.urls[route] ?? '', connections, duration: seconds,
    ...(server.token && { headers: { authorization: `Bearer ${server.token}` } }),
  });
  const used = (await processorSeconds(server)) - before;
  if (result.non2xx + result.errors > 0) throw new Error(`${route}: ${result.non2xx} refusals, ${result.errors} errors`);
  return { perSecond: result.requests.average, processorMicrosecondsEach: Number(((used / result.requests.total) * 1e6).toFixed(1)), p50Ms: result.latency.p50, p99Ms: result.latency.p99 };
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
