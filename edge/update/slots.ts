/** What is installed where: two slots of firmware, the models and zones of now and before, and a record of all that. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ArchiveError, readArchive } from '../protocol/archive.ts';
import { KeySet, type BundleManifest } from '../protocol/bundle.ts';
import { type BootRecord, firstRecord, parseBootRecord } from './boot.ts';
import type { Disk } from './disk.ts';

const Installed = z.object({ bundleId: z.string(), version: z.string(), parts: z.array(z.string()) });
export type Installed = z.infer<typeof Installed>;
const Versioned = z.object({ current: Installed.nullable(), previous: Installed.nullable() });
const nothing = { current: null, previous: null };

/** What slot a holds before the first update. */
const factory: Installed = { bundleId: 'factory', version: 'factory', parts: [] };

const State = z.object({
  /** `null`: nothing, or nothing whole. */
  slots: z.object({ a: Installed.nullable(), b: Installed.nullable() }).default({ a: factory, b: null }),
  models: Versioned.default(nothing),
  zones: Versioned.default(nothing),
  keys: z.object({ counter: z.int(), keys: KeySet.shape.keys }).nullable().default(null),
  /** How the last trial ended, until its job is asked for again or another begins. */
  outcome: z.object({ task: z.string(), healthy: z.boolean(), reason: z.string() }).nullable().default(null),
});
export type State = z.infer<typeof State>;

const bootFile = 'boot.json';
const stateFile = 'state.json';
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? new Uint8Array()).toString('utf8');

/** The folder of a bundle of models or zones. */
export const folderOf = (kind: 'models' | 'zones', bundleId: string): string => `${kind}/${bundleId}`;

export class Slots {
  readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Replaced at once, and on the disk when it resolves. */
  async #replace(path: string, value: unknown): Promise<void> {
    await this.disk.write(`${path}.new`, Buffer.from(`${JSON.stringify(value)}\n`));
    await this.disk.rename(`${path}.new`, path);
    await this.disk.sync('');
  }

  async boot(): Promise<BootRecord> {
    return parseBootRecord(textOf(await this.disk.read(bootFile))) ?? firstRecord;
  }

  setBoot(record: BootRecord): Promise<void> {
    return this.#replace(bootFile, record);
  }

  /** A record that cannot be read is that of a vehicle from the factory: the slots still start by the boot record. */
  async state(): Promise<State> {
    const text = textOf(await this.disk.read(stateFile));
    let value: unknown = {};
    try {
      value = text === '' ? {} : JSON.parse(text);
    } catch {
      value = {};
    }
    const parsed = State.safeParse(value);
    return parsed.success ? parsed.data : State.parse({});
  }

  setState(state: State): Promise<void> {
    return this.#replace(stateFile, state);
  }

  /**
   * Unpacks into a folder that nothing uses; every byte and name is on the disk when it resolves.
   * @param check sees the files before they are kept
   * @throws ArchiveError when it does not hold exactly what the manifest lists
   */
  async install(archivePath: string, manifest: BundleManifest, folder: string): Promise<void> {
    const { disk } = this;
    await disk.remove(folder);
    const wanted = new Map(manifest.files.map((file) => [file.path, file]));
    const folders = new Set<string>();
    const archive = (await disk.read(archivePath)) ?? new Uint8Array();
    for await (const { path, bytes } of readArchive([archive], { maximumTotalBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0) })) {
      const file = wanted.get(path);
      if (!file) throw new ArchiveError(`"${path}" is not in the manifest`);
      if (file.sizeBytes !== bytes.length || createHash('sha256').update(bytes).digest('hex') !== file.sha256) throw new ArchiveError(`"${path}" is not what was signed`);
      await disk.write(`${folder}/${path}`, bytes);
      wanted.delete(path);
      const parts = `${folder}/${path}`.split('/');
      for (let length = 0; length < parts.length; length++) folders.add(parts.slice(0, length).join('/'));
    }
    const [missing] = wanted.keys();
    if (missing !== undefined) throw new ArchiveError(`"${missing}" is missing`);
    // The deepest first: a folder is on the disk before its name is.
    for (const name of [...folders].toSorted((a, b) => b.length - a.length)) await disk.sync(name);
  }

  /** Files of an installed folder, by their paths in the manifest. */
  async files(folder: string, paths: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = await Promise.all(paths.map(async (path) => [path, await this.disk.read(`${folder}/${path}`)] as const));
    return new Map(found.flatMap(([path, bytes]) => (bytes ? [[path, bytes]] : [])));
  }

  /** Removes what nothing refers to any more, and every download. */
  async tidy(state: State): Promise<void> {
    for (const kind of ['models', 'zones'] as const) {
      const kept = new Set([state[kind].current?.bundleId, state[kind].previous?.bundleId]);
      for (const name of await this.disk.list(kind)) if (!kept.has(name)) await this.disk.remove(`${kind}/${name}`);
    }
    await this.disk.remove('downloads');
  }
}
