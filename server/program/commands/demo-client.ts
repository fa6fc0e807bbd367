/** How commands on the same machine reach the running program, in demo mode. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Configuration, ConfigurationError } from '../configuration.ts';

const answerWithinMs = 15_000;

/** A sentence for the person at the terminal; not a fault of the program. */
export class CommandError extends ConfigurationError {
  override name = 'CommandError';
}

/** The address that the environment names, else the one that the program running in this MOBILITY_HOME has written down. */
export async function addressOf(configuration: Configuration, environment: NodeJS.ProcessEnv): Promise<string> {
  if (environment['PORT'] || configuration.MOBILITY_PUBLIC_URL) return configuration.publicUrl;
  try {
    return (await readFile(join(configuration.MOBILITY_HOME, 'gateway.url'), 'utf8')).trim();
  } catch {
    // Never started in this folder: the default address, where asking tells the rest.
    return configuration.publicUrl;
  }
}

export interface DemoToken {
  token: string;
  riderId: string;
  expiresInSeconds: number;
}

export interface DemoClient {
  /** @throws CommandError when the program refuses */
  token(email: string, role: 'rider' | 'staff' | 'admin'): Promise<DemoToken>;
  /** The JSON answer of a GET. @throws CommandError when the program refuses */
  get(path: string, token: string): Promise<unknown>;
}

/** @throws CommandError when nobody answers there */
export async function demoClient(configuration: Configuration, environment: NodeJS.ProcessEnv): Promise<DemoClient> {
  const baseUrl = await addressOf(configuration, environment);

  async function ask(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${baseUrl}${path}`, { ...init, signal: AbortSignal.timeout(answerWithinMs) });
    } catch (cause) {
      const late = cause instanceof Error && cause.name === 'TimeoutError';
      throw new CommandError(late ? `The program at ${baseUrl} did not answer in time.` : `The program is not running at ${baseUrl}. Start it with \`npm start\`, or set PORT or MOBILITY_HOME to those of the running one.`);
    }
  }

  async function refusal(response: Response): Promise<CommandError> {
    const document = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
    return new CommandError(`The program at ${baseUrl} refused: ${document.detail ?? document.title ?? `HTTP ${response.status}`}.`);
  }

  return {
    async token(email, role) {
      const response = await ask('/demo/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, role }) });
      if (response.status === 404) throw new CommandError(`The program at ${baseUrl} is not in demo mode, or not on this machine: tokens are given to people who sign in.`);
      if (!response.ok) throw await refusal(response);
      return (await response.json()) as DemoToken;
    },
    async get(path, token) {
      const response = await ask(path, { headers: { authorization: `Bearer ${token}` } });
      if (!response.ok) throw await refusal(response);
      return response.json();
    },
  };
}
