/** `mobility bundle FOLDER --kind firmware --version 1.2.0`: packs a folder, and has the platform sign and keep it. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { ArchiveError, type ArchiveFile, writeArchive } from '../../../edge/protocol/archive.ts';
import { BundleManifest } from '../../../edge/protocol/bundle.ts';
import type { ProblemDocument } from '../../wire/problem.ts';
import { readConfiguration } from '../configuration.ts';
import { addressOf, CommandError, demoClient } from './demo-client.ts';
import type { Terminal } from './token.ts';

const usage = `Usage: mobility bundle FOLDER --kind firmware|models|zones --version X.Y.Z [--minimum-agent-version X.Y.Z]\n`;

interface Arguments {
  folder: string;
  query: URLSearchParams;
}

function readArguments(rest: string[]): Arguments {
  let parsed;
  try {
    parsed = parseArgs({ args: rest, allowPositionals: true, options: { kind: { type: 'string' }, version: { type: 'string' }, 'minimum-agent-version': { type: 'string' } } });
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  const [folder, ...more] = parsed.positionals;
  const { kind, version, 'minimum-agent-version': minimumAgentVersion } = parsed.values;
  const given = BundleManifest.pick({ kind: true, version: true }).safeParse({ kind, version });
  if (folder === undefined || more.length > 0 || !given.success) throw new CommandError(usage);
  return { folder, query: new URLSearchParams({ ...given.data, ...(minimumAgentVersion !== undefined && { minimumAgentVersion }) }) };
}

/** @throws CommandError for what cannot be in a bundle: a link would lead elsewhere on a vehicle */
async function filesOf(folder: string): Promise<ArchiveFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw new CommandError(`${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  const odd = entries.find((entry) => !entry.isFile() && !entry.isDirectory());
  if (odd) throw new CommandError(`${join(odd.parentPath, odd.name)} is no regular file.`);
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.map(async (path) => ({ path: relative(folder, path).split(sep).join('/'), bytes: await readFile(path) })));
}

/**
 * @returns 0 when the bundle is there, 1 when the program refuses it
 * @throws CommandError for wrong arguments or when no program answers, with a sentence for the person at the terminal
 */
export async function runBundle(rest: string[], { env, stdout }: Terminal): Promise<number> {
  const { folder, query } = readArguments(rest);
  const configuration = readConfiguration(env);
  let archive: Uint8Array;
  try {
    archive = writeArchive(await filesOf(folder));
  } catch (error) {
    if (error instanceof ArchiveError) throw new CommandError(`${folder} makes no bundle: ${error.message}`);
    throw error;
  }
  const token = configuration.MOBILITY_TOKEN ?? (await (await demoClient(configuration, env)).token('admin@example.com', 'admin')).token;
  const address = await addressOf(configuration, env);
  const form = new FormData();
  form.append('archive', new Blob([new Uint8Array(archive)], { type: 'application/gzip' }), 'bundle.tar.gz');
  const response = await fetch(`${address}/v1/bundles?${query.toString()}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'idempotency-key': crypto.randomUUID() }, body: form, signal: AbortSignal.timeout(120_000) }).catch((error: unknown) => {
    throw new CommandError(`The program at ${address} did not answer: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  const answer = (await response.json().catch(() => ({}))) as Partial<ProblemDocument>;
  stdout.write(response.ok ? `${JSON.stringify(answer, null, 2)}\n` : `The program at ${address} refused: ${[answer.title ?? `HTTP ${response.status}`, answer.detail].filter(Boolean).join(': ')}\n`);
  return response.ok ? 0 : 1;
}
