/** `mobility watch [--once] [--json]`: what goes on in the running program, redrawn every second. */
import { setInterval } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { iotContract } from '../../iot/contract.ts';
import { incidentContract } from '../../services/incident/contract.ts';
import { rolloutContract } from '../../services/rollout/contract.ts';
import { telemetryContract } from '../../services/telemetry/contract.ts';
import { readConfiguration } from '../configuration.ts';
import { CommandError, type DemoClient, demoClient } from './demo-client.ts';
import type { Terminal } from './token.ts';
import { renderFrame, type View } from './watch-screen.ts';

const staffEmail = 'staff@demo.mobility.example';
const everyMs = 1_000;
/** A token is taken anew well before it runs out. */
const tokenUsedMs = 120_000;
const shownIncidents = 12;
const shownRollouts = 4;
const [homeAndClear, hideCursor, showCursor] = ['\u001B[H\u001B[J', '\u001B[?25l', '\u001B[?25h'];

interface Screen extends Terminal {
  stdout: Terminal['stdout'] & { isTTY?: boolean; columns?: number };
}

function readArguments(rest: string[]): { once: boolean; json: boolean } {
  try {
    const { once, json } = parseArgs({ args: rest, options: { once: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } }).values;
    return { once: once || json, json };
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\nUsage: mobility watch [--once] [--json]`);
  }
}

/** A part that does not answer is shown as such; the others are shown all the same. */
async function part<Value>(ask: () => Promise<Value>): Promise<{ value: Value } | { error: string }> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { error: error instanceof CommandError ? error.message : 'it answered something else than its contract says' };
  }
}

async function look(client: DemoClient, token: string): Promise<View> {
  const ask = async <Answer extends z.ZodType>({ path, response }: { path: string; response: Answer }, query = ''): Promise<z.output<Answer>> => response.parse(await client.get(`${path}${query}`, token));
  const [devices, telemetry, incidents, rollouts] = await Promise.all([
    part(() => ask(iotContract.operations.getStatistics)),
    part(() => ask(telemetryContract.operations.getStatistics)),
    part(async () => (await ask(incidentContract.operations.listIncidents, `?open=true&limit=${shownIncidents}`)).items),
    part(async () => (await ask(rolloutContract.operations.listRollouts, `?limit=${shownRollouts}`)).items),
  ]);
  return { at: new Date().toISOString(), devices, telemetry, incidents, rollouts };
}

/** For a program: each part as it answered, or `{ "error": "…" }`. */
const asJson = ({ at, ...parts }: View): string => JSON.stringify({ at, ...Object.fromEntries(Object.entries(parts).map(([name, answered]) => [name, 'value' in answered ? answered.value : answered])) }, null, 2);

/** Gives frames until it is interrupted; a program that goes away is waited for. */
async function watch(client: DemoClient, { env, stdout }: Screen, signal: AbortSignal): Promise<void> {
  let token: string | undefined;
  let takenAtMs = 0;
  const frame = async (): Promise<string> => {
    try {
      if (token === undefined || Date.now() - takenAtMs > tokenUsedMs) [token, takenAtMs] = [(await client.token(staffEmail, 'staff')).token, Date.now()];
      return renderFrame(await look(client, token), styleOf({ env, stdout }));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      token = undefined;
      return `${error.message}\n`;
    }
  };
  if (stdout.isTTY) stdout.write(hideCursor);
  try {
    stdout.write(`${stdout.isTTY ? homeAndClear : ''}${await frame()}`);
    for await (const _beat of setInterval(everyMs, undefined, { signal })) stdout.write(`${stdout.isTTY ? homeAndClear : '\n'}${await frame()}`);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (stdout.isTTY) stdout.write(showCursor);
  }
}

const styleOf = ({ env, stdout }: Screen) => ({ colours: stdout.isTTY === true && !env['NO_COLOR'], columns: stdout.columns ?? 200 });

/** Draws until Ctrl+C; `--once` one frame, `--json` one object. @throws CommandError */
export async function runWatch(rest: string[], screen: Screen, signal?: AbortSignal): Promise<number> {
  const { once, json } = readArguments(rest);
  const client = await demoClient(readConfiguration(screen.env), screen.env);
  if (once) {
    const view = await look(client, (await client.token(staffEmail, 'staff')).token);
    screen.stdout.write(json ? `${asJson(view)}\n` : renderFrame(view, styleOf(screen)));
    return 0;
  }
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await watch(client, screen, signal ? AbortSignal.any([signal, interrupted.signal]) : interrupted.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  return 0;
}
