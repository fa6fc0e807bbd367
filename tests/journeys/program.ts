/** The whole program as a child process, and its public API: what journeys are made of. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { mainFile, startMobility } from './mobility.ts';

/** A platform that runs, in one process or many. */
export interface Program {
  url: string;
  home: string;
  /** The end of what it has printed, errors included. */
  output(): string;
  /** SIGTERM. @returns the exit code; the first that is not 0 when there are several */
  stop(): Promise<number | null>;
  /** SIGKILL: the power goes. */
  kill(): Promise<void>;
  /** Starts on the same folder and port after a stop or a kill. */
  restart(environment?: Record<string, string>): Promise<Program>;
  /** Stops it and removes its folder. */
  dispose(): Promise<void>;
}

/** All of it in one process. */
export interface SingleProgram extends Program {
  process: ChildProcess;
  restart(environment?: Record<string, string>): Promise<SingleProgram>;
}

export interface ProgramOptions {
  environment?: Record<string, string>;
  home?: string;
  arguments?: string[];
  readyTimeoutMs?: number;
}

/** What every process of a journey starts with, unless it is told otherwise. */
export const journeyEnvironment: Record<string, string> = {
  MOBILITY_LOG_LEVEL: 'error', MOBILITY_RIDER_APP: 'false', MOBILITY_VEHICLES: '30', MOBILITY_SIMULATED_RIDERS: '0',
  MOBILITY_LIMIT_PER_USER: '100000', MOBILITY_LIMIT_PER_CLIENT: '100000',
};

/** Starts `mobility serve` and waits for its `ready` line. @throws Error with the output when it does not come */
export async function startProgram(options: ProgramOptions = {}): Promise<SingleProgram> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'mobility-journey-')));
  const started = await startMobility({
    arguments: ['serve', ...(options.arguments ?? [])],
    environment: { PORT: '0', ...journeyEnvironment, ...options.environment, MOBILITY_HOME: home },
    readyTimeoutMs: options.readyTimeoutMs,
  });
  const url = started.ready;
  return {
    url, home, process: started.child,
    output: () => started.output(),
    stop: () => started.stop(),
    kill: () => started.kill(),
    restart: (more = {}) => startProgram({ ...options, home, environment: { ...options.environment, PORT: new URL(url).port, ...more } }),
    async dispose() {
      if (started.isRunning()) await started.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** `mobility import gbfs FOLDER` for a running program. @returns exit code and output */
export async function importFeed(program: Program, folder: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile, 'import', 'gbfs', folder], {
    env: { ...process.env, MOBILITY_TEST_DATABASE_URL: '', PORT: new URL(program.url).port, MOBILITY_HOME: program.home },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

export interface ApiAnswer<T = Record<string, unknown>> {
  status: number;
  body: T;
  headers: Headers;
}

/** A person or machine that uses the public API with a token. */
export interface ApiUser {
  token: string;
  get<T = Record<string, unknown>>(path: string, headers?: Record<string, string>): Promise<ApiAnswer<T>>;
  send<T = Record<string, unknown>>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer<T>>;
  post<T = Record<string, unknown>>(path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer<T>>;
  photo(): Promise<string>;
}

async function answerOf<T>(response: Response): Promise<ApiAnswer<T>> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: (isJson && text ? JSON.parse(text) : text) as T };
}

/** The smallest file that is a JPEG by its first bytes. */
export const tinyJpeg = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xd9]);

export function apiUser(url: string, token: string): ApiUser {
  const send: ApiUser['send'] = async (method, path, body, headers = {}) =>
    answerOf(
      await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(method === 'POST' && { 'idempotency-key': v7() }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
  return {
    token,
    get: (path, headers) => send('GET', path, undefined, headers),
    send,
    post: (path, body, headers) => send('POST', path, body, headers),
    async photo() {
      const form = new FormData();
      form.append('photo', new Blob([tinyJpeg], { type: 'image/jpeg' }), 'parked.jpg');
      const response = await fetch(`${url}/v1/photos`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'idempotency-key': v7() }, body: form });
      const answer = await answerOf<{ id: string }>(response);
      if (answer.status !== 201) throw new Error(`photo: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body.id;
    },
  };
}

/** A demo account with a token, as `mobility token` makes it. */
export async function demoUser(url: string, email: string, role: 'rider' | 'staff' | 'admin' = 'rider'): Promise<ApiUser> {
  const response = await fetch(`${url}/demo/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, role }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`demo token: ${response.status} ${text}`);
  const parsed = JSON.parse(text) as { token?: string; accessToken?: string };
  return apiUser(url, parsed.token ?? parsed.accessToken ?? '');
}

/** Asks until the answer is there. @throws Error when it is not within the time */
export async function until<T>(question: () => Promise<T | undefined | false>, timeoutMs = 15_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${question.toString().slice(0, 300)}`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}
