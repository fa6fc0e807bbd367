/** Takes update jobs: verify, download, install beside what runs, switch at once, prove it or go back. */
import { ArchiveError } from '../protocol/archive.ts';
import { UpdateJobDocument, type BundleManifest } from '../protocol/bundle.ts';
import { type BootRecord, otherSlot, proven, type Slot, slotToStart } from './boot.ts';
import type { Disk } from './disk.ts';
import { download, DownloadRefused, fetchArchive, type OpenArchive } from './download.ts';
import type { Updater, UpdateOutcome } from './port.ts';
import { folderOf, type Installed, Slots, type State } from './slots.ts';
import { followKeys, NotTrusted, openManifest, openRevert, type TrustedKeys } from './trust.ts';
import { compareVersions } from './versions.ts';

type Kind = BundleManifest['kind'];
/** Throws when this agent cannot use the files. */
export type SelfTest = (files: ReadonlyMap<string, Uint8Array>) => Promise<void> | void;

export interface UpdaterOptions {
  /** The folder that the launcher knows. */
  disk: Disk;
  /** Of the agent that runs. */
  version: string;
  /** Which slot the launcher has started; by the boot record without it. */
  slot?: Slot;
  /** Keys that the agent was built with. */
  trustedKeys: TrustedKeys;
  /** What a bundle has to pass before it is taken. Firmware proves itself by running. */
  selfTests?: Partial<Record<Kind, SelfTest>>;
  openArchive?: OpenArchive;
  /** Tries in a row without a byte, before a download is given up. */
  maximumDownloadTries?: number;
  signal?: AbortSignal;
}

class Rejected extends Error {
  override name = 'Rejected';
}

const succeeded = (details: Record<string, string>): UpdateOutcome => ({ status: 'SUCCEEDED', details });
const partsOf = (manifest: BundleManifest): string[] => [...new Set(manifest.files.map(({ path }) => path.split('/')[0]?.split('.')[0] ?? path))];

/** @throws Error when the disk cannot be read or written */
export async function openUpdater(options: UpdaterOptions): Promise<BundleUpdater> {
  const slots = new Slots(options.disk);
  const [boot, state] = await Promise.all([slots.boot(), slots.state()]);
  const updater = new BundleUpdater(options, slots, boot, state);
  await updater.takeNote();
  return updater;
}

/** `Updater` over a disk: of files, or in memory. Jobs run one after the other. */
export class BundleUpdater implements Updater {
  readonly #options: UpdaterOptions;
  readonly #slots: Slots;
  readonly #signal: AbortSignal;
  readonly #running: Slot;
  #boot: BootRecord;
  #state: State;
  #outcome: UpdateOutcome | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #proof = Promise.withResolvers<void>();

  constructor(options: UpdaterOptions, slots: Slots, boot: BootRecord, state: State) {
    this.#options = options;
    this.#slots = slots;
    this.#boot = boot;
    this.#state = state;
    this.#running = options.slot ?? slotToStart(boot);
    this.#signal = options.signal ?? new AbortController().signal;
  }

  /** Of a trial that has ended: kept in the state first, then struck from the boot record; a cut between the two changes nothing. */
  async takeNote(): Promise<void> {
    const { last } = this.#boot;
    if (!last) return;
    await this.#change({ outcome: last });
    await this.#setBoot({ ...this.#boot, last: null });
    this.#outcome = outcomeOf(last);
  }

  async #setBoot(record: BootRecord): Promise<void> {
    await this.#slots.setBoot(record);
    this.#boot = record;
  }

  async #change(changes: Partial<State>): Promise<void> {
    const state = { ...this.#state, ...changes };
    await this.#slots.setState(state);
    this.#state = state;
  }

  async markHealthy(): Promise<void> {
    if (this.#boot.trial?.slot !== this.#running) return;
    await this.#setBoot(proven(this.#boot));
    await this.takeNote();
    this.#proof.resolve();
  }

  /**
   * The job of the trial that is under way: it needs a restart; or, in the slot on trial, its end is not known before this agent has
   * proven itself, and another restart would be a try lost.
   */
  async #ofTrial(task: string): Promise<'restart-needed' | undefined> {
    if (this.#boot.trial?.task !== task) return undefined;
    if (this.#boot.trial.slot !== this.#running) return 'restart-needed';
    this.#signal.throwIfAborted();
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(this.#signal.reason);
    this.#signal.addEventListener('abort', stop, { once: true });
    await Promise.race([this.#proof.promise, stopped.promise]).finally(() => this.#signal.removeEventListener('abort', stop));
    return undefined;
  }

  pendingOutcome(): UpdateOutcome | undefined {
    return this.#outcome;
  }

  installed(): ReturnType<Updater['installed']> {
    const { models, zones } = this.#state;
    const { current } = models;
    return {
      software: { version: this.#options.version, slot: this.#running },
      models: Object.fromEntries((current?.parts ?? []).map((part) => [part, current?.version ?? ''])),
      zonesVersion: zones.current?.version,
    };
  }

  /** The folder of the installed models or zones on the disk; `undefined` for those that the agent was built with. */
  folder(kind: 'models' | 'zones'): string | undefined {
    const { current } = this.#state[kind];
    return current ? folderOf(kind, current.bundleId) : undefined;
  }

  run(document: UpdateJobDocument, report: (details: Record<string, string>) => Promise<void>): Promise<UpdateOutcome | 'restart-needed'> {
    const result = this.#queue.then(() => this.#run(document, report));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #run(document: UpdateJobDocument, report: (details: Record<string, string>) => Promise<void>): Promise<UpdateOutcome | 'restart-needed'> {
    try {
      const { operation, manifest, archiveUrl, keys } = UpdateJobDocument.parse(document);
      const trusted = await this.#trust(keys);
      if (operation === 'revert') return await this.#revert(await openRevert(manifest, trusted));
      if (archiveUrl === undefined) throw new Rejected('the job does not say where the archive is');
      return await this.#update(await openManifest(manifest, trusted), archiveUrl, report);
    } catch (error) {
      this.#signal.throwIfAborted();
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      // Nothing of it is needed again: the job is over.
      await this.#slots.tidy(this.#state);
      const isRefusal = error instanceof Rejected || error instanceof NotTrusted || error instanceof ArchiveError || (error as { name?: string }).name === 'ZodError';
      return { status: isRefusal ? 'REJECTED' : 'FAILED', details: { reason: error instanceof DownloadRefused ? `download: ${reason}` : reason } };
    }
  }

  /** A newer set of keys is kept before anything is believed because of it. */
  async #trust(chain: string | undefined): Promise<TrustedKeys> {
    const { trustedKeys } = this.#options;
    const known = this.#state.keys && this.#state.keys.counter > trustedKeys.counter ? this.#state.keys : trustedKeys;
    if (chain === undefined) return known;
    const followed = await followKeys(known, chain);
    if (followed !== known) await this.#change({ keys: followed });
    return followed;
  }

  #current(kind: Kind): Installed | null {
    return kind === 'firmware' ? this.#state.slots[this.#running] : this.#state[kind].current;
  }

  /** How an earlier run of the same job ended, when nobody has heard of it; said once more, then forgotten. */
  async #endedBefore(task: string): Promise<UpdateOutcome | undefined> {
    const { outcome } = this.#state;
    if (outcome?.task !== task || outcome.healthy) return undefined;
    await this.#change({ outcome: null });
    return outcomeOf(outcome);
  }

  async #update(manifest: BundleManifest, url: string, report: (details: Record<string, string>) => Promise<void>): Promise<UpdateOutcome | 'restart-needed'> {
    const { bundleId, kind, version, minimumAgentVersion } = manifest;
    const task = `update:${bundleId}`;
    const ofTrial = await this.#ofTrial(task);
    if (ofTrial) return ofTrial;
    const current = this.#current(kind);
    if (current?.bundleId === bundleId) return succeeded({ bundleId, version, note: 'it was there already' });
    const currentVersion = kind === 'firmware' ? this.#options.version : current?.version;
    if (currentVersion !== undefined && compareVersions(version, currentVersion) <= 0) throw new Rejected(`${version} is not newer than ${currentVersion}`);
    if (minimumAgentVersion !== undefined && compareVersions(this.#options.version, minimumAgentVersion) < 0) throw new Rejected(`it needs an agent of version ${minimumAgentVersion}; this is ${this.#options.version}`);
    if (kind === 'firmware' && this.#boot.trial) throw new Error('the firmware that runs is still on trial');
    const before = await this.#endedBefore(task);
    if (before) return before;
    const path = `downloads/${bundleId}`;
    await this.#download(manifest, url, path, report);
    await report({ step: 'installing', version });
    const installed: Installed = { bundleId, version, parts: partsOf(manifest) };
    if (kind === 'firmware') return this.#installFirmware(manifest, installed, path, task);
    await this.#installFiles(kind, manifest, installed, path);
    return succeeded({ bundleId, version });
  }

  async #download({ archiveSizeBytes, archiveSha256, version }: BundleManifest, url: string, path: string, report: (details: Record<string, string>) => Promise<void>): Promise<void> {
    const { disk, openArchive = fetchArchive, maximumDownloadTries = 60 } = this.#options;
    let told = -1;
    await download({ url, sizeBytes: archiveSizeBytes, sha256: archiveSha256, path }, {
      disk, open: openArchive, signal: this.#signal, maximumTries: maximumDownloadTries,
      async onProgress(bytes) {
        const percent = Math.floor((bytes / archiveSizeBytes) * 4) * 25;
        if (percent <= told) return;
        told = percent;
        await report({ step: 'downloading', version, percent: String(percent) });
      },
    });
  }

  async #installFirmware(manifest: BundleManifest, installed: Installed, path: string, task: string): Promise<'restart-needed'> {
    const slot = otherSlot(this.#running);
    // Nothing is said to be in the slot until all of it is.
    await this.#change({ slots: { ...this.#state.slots, [slot]: null }, outcome: null });
    await this.#slots.install(path, manifest, `slots/${slot}`);
    await this.#selfTest('firmware', manifest, `slots/${slot}`);
    await this.#change({ slots: { ...this.#state.slots, [slot]: installed } });
    await this.#slots.tidy(this.#state);
    await this.#setBoot({ ...this.#boot, trial: { slot, task, starts: 0 }, last: null });
    return 'restart-needed';
  }

  async #installFiles(kind: 'models' | 'zones', manifest: BundleManifest, installed: Installed, path: string): Promise<void> {
    const folder = folderOf(kind, installed.bundleId);
    await this.#slots.install(path, manifest, folder);
    await this.#selfTest(kind, manifest, folder);
    await this.#change({ [kind]: { current: installed, previous: this.#state[kind].current } });
    await this.#slots.tidy(this.#state);
  }

  async #selfTest(kind: Kind, manifest: BundleManifest, folder: string): Promise<void> {
    try {
      await this.#options.selfTests?.[kind]?.(await this.#slots.files(folder, manifest.files.map((file) => file.path)));
    } catch (error) {
      throw new Rejected(`its self-test failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  /** Back to what was there before; harmless where the bundle is not, or not any more. */
  async #revert({ revert: bundleId, kind }: { revert: string; kind: Kind }): Promise<UpdateOutcome | 'restart-needed'> {
    const task = `revert:${bundleId}`;
    const ofTrial = await this.#ofTrial(task);
    if (ofTrial) return ofTrial;
    if (this.#current(kind)?.bundleId !== bundleId) return succeeded({ bundleId, note: 'it is not installed' });
    if (kind !== 'firmware') {
      await this.#change({ [kind]: { current: this.#state[kind].previous, previous: null } });
      await this.#slots.tidy(this.#state);
      return succeeded({ bundleId, version: this.#state[kind].current?.version ?? 'built in' });
    }
    const before = await this.#endedBefore(task);
    if (before) return before;
    const slot = otherSlot(this.#running);
    if (!this.#state.slots[slot]) throw new Error('the other slot holds nothing to go back to');
    await this.#change({ outcome: null });
    await this.#setBoot({ ...this.#boot, trial: { slot, task, starts: 0 }, last: null });
    return 'restart-needed';
  }
}

function outcomeOf({ task, healthy, reason }: NonNullable<State['outcome']>): UpdateOutcome {
  const bundleId = task.slice(task.indexOf(':') + 1);
  return healthy ? succeeded({ bundleId }) : { status: 'FAILED', details: { bundleId, reason } };
}
