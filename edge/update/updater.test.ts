import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { writeArchive } from '../protocol/archive.ts';
import type { UpdateJobDocument } from '../protocol/bundle.ts';
import { beforeStart, slotToStart } from './boot.ts';
import type { Disk } from './disk.ts';
import type { OpenArchive } from './download.ts';
import { memoryDisk } from './memory-slots.ts';
import { bootSimulated } from './simulated.ts';
import { Slots } from './slots.ts';
import { bundleOf, newSigner, noReport, revertJob, serving, textFile, updateJob } from './testing/bundles.ts';
import { PowerCutDisk } from './testing/power-cut-disk.ts';
import { type BundleUpdater, openUpdater, type UpdaterOptions } from './updater.ts';

const signer = await newSigner();
const stranger = await newSigner();
const trustedKeys = { counter: 0, keys: [signer.publicKey] };
const firmware = (version: string, behaviour = 'healthy') => bundleOf('firmware', version, [textFile('main.ts', `// ${version}`), textFile('simulated.json', JSON.stringify({ behaviour, version }))]);
const models = (version: string, text = 'weights') => bundleOf('models', version, [textFile('collision.model', text), textFile('collision.md', 'a card')]);

const open = (disk: Disk, changes: Partial<UpdaterOptions> = {}): Promise<BundleUpdater> =>
  openUpdater({ disk, version: '1.0.0', trustedKeys, openArchive: serving(), maximumDownloadTries: 1, ...changes });

/** Starts as the launcher does, and opens the updater of the agent that came up. */
async function boot(disk: Disk, changes: Partial<UpdaterOptions> = {}): Promise<BundleUpdater> {
  const { slot, version } = await bootSimulated(disk, '1.0.0');
  return open(disk, { slot, version, ...changes });
}

test('UPDATE-01: only what a trusted key has signed is taken', async () => {
  const bundle = firmware('1.1.0');
  const updater = await open(memoryDisk(), { openArchive: serving(bundle) });
  const good = await updateJob(signer, bundle);
  const [header, , signature] = good.manifest.split('.');
  const changed = [header, Buffer.from(JSON.stringify({ ...bundle.manifest, version: '9.9.9' })).toString('base64url'), signature].join('.');
  const refused: UpdateJobDocument[] = [
    await updateJob(stranger, bundle),
    { ...good, manifest: changed },
    { ...good, manifest: await signer.sign('revert+jwt', bundle.manifest) },
    { ...good, manifest: await signer.sign('bundle+jwt', { ...bundle.manifest, files: [] }) },
    { ...good, manifest: 'rubbish' },
    { ...good, archiveUrl: undefined },
  ];
  for (const document of refused) expect(await updater.run(document, noReport)).toMatchObject({ status: 'REJECTED', details: { reason: expect.any(String) as string } });
  expect(await updater.run(good, noReport)).toBe('restart-needed');
});

test('UPDATE-02: keys that a trusted key has signed take the place of all before, and an older set does not come back', async () => {
  const [second, third] = [await newSigner(), await newSigner()];
  const toSecond = await signer.sign('keys+jwt', { counter: 1, keys: [second.publicKey] });
  const toThird = await second.sign('keys+jwt', { counter: 2, keys: [third.publicKey] });
  const bundles = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0'].map((version) => models(version));
  const [one, two, three, four, five] = bundles;
  if (!one || !two || !three || !four || !five) throw new Error('five bundles');
  const disk = memoryDisk();
  const updater = await open(disk, { openArchive: serving(...bundles) });
  expect(await updater.run(await updateJob(second, one, toSecond), noReport)).toMatchObject({ status: 'SUCCEEDED' });
  expect(await updater.run(await updateJob(signer, two), noReport)).toMatchObject({ status: 'REJECTED' });
  expect(await updater.run(await updateJob(third, two, `${toSecond}~${toThird}`), noReport)).toMatchObject({ status: 'SUCCEEDED' });
  const again = await open(disk, { openArchive: serving(...bundles) });
  expect(await again.run(await updateJob(second, three, toSecond), noReport)).toMatchObject({ status: 'REJECTED' });
  expect(await again.run(await updateJob(third, four, toSecond), noReport)).toMatchObject({ status: 'SUCCEEDED' });
  const forged = await stranger.sign('keys+jwt', { counter: 3, keys: [stranger.publicKey] });
  expect(await again.run(await updateJob(stranger, five, forged), noReport)).toMatchObject({ status: 'REJECTED' });
});

test('UPDATE-03: a vehicle that missed several changes of keys follows the chain; with a link missing it does not', async () => {
  const [second, third] = [await newSigner(), await newSigner()];
  const toSecond = await signer.sign('keys+jwt', { counter: 1, keys: [second.publicKey] });
  const toThird = await second.sign('keys+jwt', { counter: 2, keys: [third.publicKey] });
  const bundle = models('1.0.0');
  expect(await (await open(memoryDisk(), { openArchive: serving(bundle) })).run(await updateJob(third, bundle, toThird), noReport)).toMatchObject({ status: 'REJECTED' });
  expect(await (await open(memoryDisk(), { openArchive: serving(bundle) })).run(await updateJob(third, bundle, `${toSecond}~${toThird}`), noReport)).toMatchObject({ status: 'SUCCEEDED' });
});

test('UPDATE-04: an older version, the same again under another id, and what needs a newer agent are refused', async () => {
  const updater = await open(memoryDisk(), { version: '1.10.0', openArchive: serving() });
  for (const version of ['1.10.0', '1.9.0', '1.10.0-rc.1']) expect(await updater.run(await updateJob(signer, firmware(version)), noReport)).toMatchObject({ status: 'REJECTED', details: { reason: `${version} is not newer than 1.10.0` } });
  const demanding = bundleOf('models', '2.0.0', [textFile('a', 'b')], { minimumAgentVersion: '1.11.0' });
  expect(await updater.run(await updateJob(signer, demanding), noReport)).toMatchObject({ status: 'REJECTED' });
});

test('UPDATE-05: the archive has to hold exactly the files that were signed', async () => {
  const files = [textFile('a', 'one'), textFile('b', 'two')];
  const other = [...files, textFile('c', 'three')];
  for (const [signed, sent] of [[files, other], [other, files], [files, [textFile('a', 'one'), textFile('b', 'TWO')]]] as const) {
    const bundle = bundleOf('models', '1.0.0', [...sent]);
    bundle.manifest.files = bundleOf('models', '1.0.0', [...signed]).manifest.files;
    const updater = await open(memoryDisk(), { openArchive: serving(bundle) });
    expect(await updater.run(await updateJob(signer, bundle), noReport)).toMatchObject({ status: 'REJECTED' });
    expect(updater.installed().models).toEqual({});
  }
});

test('UPDATE-06: a download goes on where it broke off, also after a power cut', async () => {
  const bundle = bundleOf('models', '1.0.0', [{ path: 'noise.bin', bytes: Buffer.concat(Array.from({ length: 300 }, (_, index) => createHash('sha256').update(String(index)).digest())) }]);
  const disk = memoryDisk();
  const asked: number[] = [];
  const breaking: OpenArchive = async (_url, from) => {
    asked.push(from);
    return (async function* () {
      yield bundle.archive.subarray(from, from + 3000);
      throw new Error('the connection is gone');
    })();
  };
  const document = await updateJob(signer, bundle);
  const cut = new AbortController();
  const cutAfter: OpenArchive = async (url, from, signal) => {
    if (asked.length === 2) cut.abort(new Error('the power is gone'));
    signal.throwIfAborted();
    return breaking(url, from, signal);
  };
  await expect((await open(disk, { openArchive: cutAfter, signal: cut.signal, maximumDownloadTries: 5 })).run(document, noReport)).rejects.toThrow('the power is gone');
  const steps: string[] = [];
  const outcome = await (await open(disk, { openArchive: breaking, maximumDownloadTries: 5 })).run(document, async ({ percent }) => void steps.push(percent ?? 'installing'));
  expect(outcome).toMatchObject({ status: 'SUCCEEDED' });
  expect(asked).toEqual(asked.map((_, index) => index * 3000));
  expect(steps.at(-1)).toBe('installing');
});

test('UPDATE-06: a longer archive is cut off, another is thrown away, and what a power cut has spoilt is fetched anew', async () => {
  const bundle = models('1.0.0');
  const document = await updateJob(signer, bundle);
  const longer: OpenArchive = async () => [bundle.archive, Buffer.alloc(100)] as unknown as AsyncIterable<Uint8Array>;
  expect(await (await open(memoryDisk(), { openArchive: longer })).run(document, noReport)).toMatchObject({ status: 'FAILED', details: { reason: 'download: the archive is larger than was signed' } });
  const other: OpenArchive = async () => [Buffer.alloc(bundle.archive.length)] as unknown as AsyncIterable<Uint8Array>;
  const disk = memoryDisk();
  expect(await (await open(disk, { openArchive: other })).run(document, noReport)).toMatchObject({ status: 'FAILED' });
  expect(await disk.list('downloads')).toEqual([]);
  await disk.append(`downloads/${bundle.manifest.bundleId}`, Buffer.alloc(50));
  expect(await (await open(disk, { openArchive: serving(bundle) })).run(document, noReport)).toMatchObject({ status: 'SUCCEEDED' });
});

/** All that a vehicle would run now: read from the disk, file by file. */
async function whatRuns(disk: Disk): Promise<{ slot: string; version: string }> {
  const slots = new Slots(disk);
  const slot = slotToStart(beforeStart(await slots.boot()));
  const main = await disk.read(`slots/${slot}/main.ts`);
  const description = await disk.read(`slots/${slot}/simulated.json`);
  const { version } = JSON.parse(Buffer.from(description ?? '{}').toString()) as { version: string };
  expect(Buffer.from(main ?? '').toString()).toBe(`// ${version}`);
  return { slot, version };
}

async function vehicleWith(version: string): Promise<PowerCutDisk> {
  const disk = new PowerCutDisk();
  for (const { path, bytes } of [textFile('main.ts', `// ${version}`), textFile('simulated.json', JSON.stringify({ behaviour: 'healthy', version }))]) await disk.write(`slots/a/${path}`, bytes);
  for (const folder of ['slots/a', 'slots', '']) await disk.sync(folder);
  return disk.after('synced');
}

/** Takes a job from the beginning to its outcome, restarts included. */
async function carryOut(disk: Disk, document: UpdateJobDocument, options: Partial<UpdaterOptions>): Promise<string> {
  for (let starts = 0; starts < 4; starts++) {
    const updater = await boot(disk, options);
    await updater.markHealthy();
    const pending = updater.pendingOutcome();
    if (pending) return pending.status;
    const outcome = await updater.run(document, noReport);
    if (outcome !== 'restart-needed') return outcome.status;
  }
  return 'endless';
}

test.each(['all', 'synced'] as const)('UPDATE-07: after a power cut at any operation old or new firmware is whole and starts, and the job is brought to its end (%s)', async (keeps) => {
  const bundle = firmware('1.1.0');
  const document = await updateJob(signer, bundle);
  const options = { openArchive: serving(bundle) };
  const whole = await vehicleWith('1.0.0');
  expect(await carryOut(whole, document, options)).toBe('SUCCEEDED');
  expect(whole.operations).toBeGreaterThan(20);
  for (let cutAt = 0; cutAt < whole.operations; cutAt++) {
    const disk = await vehicleWith('1.0.0');
    disk.cutAt = cutAt;
    await carryOut(disk, document, options).catch(() => 'the power is gone');
    const after = disk.after(keeps);
    expect(['1.0.0', '1.1.0'], `cut at ${cutAt}`).toContain((await whatRuns(after)).version);
    expect(await carryOut(after, document, options), `cut at ${cutAt}`).toBe('SUCCEEDED');
    expect((await whatRuns(after)).version).toBe('1.1.0');
  }
});

test.each(['all', 'synced'] as const)('UPDATE-08: after a power cut at any operation the models are the old or the new ones, whole, and going back works (%s)', async (keeps) => {
  const [first, second] = [models('1.0.0', 'old weights'), models('1.1.0', 'new weights')];
  const options = { openArchive: serving(first, second) };
  const [install, replace, goBack] = [await updateJob(signer, first), await updateJob(signer, second), await revertJob(signer, second)];
  const start = async () => {
    const disk = await vehicleWith('1.0.0');
    await carryOut(disk, install, options);
    return disk.after('synced');
  };
  const weights = async (disk: Disk) => {
    const folder = (await boot(disk)).folder('models');
    return Buffer.from((await disk.read(`${folder}/collision.model`)) ?? '').toString();
  };
  const whole = await start();
  for (const [job, before, after] of [[replace, 'old weights', 'new weights'], [goBack, 'new weights', 'old weights']] as const) {
    if (job === goBack) await carryOut(whole, replace, options);
    const from = whole.operations;
    const probe = whole.after('synced');
    await carryOut(probe, job, options);
    for (let cutAt = 0; cutAt < probe.operations; cutAt++) {
      const disk = whole.after('synced');
      disk.cutAt = cutAt;
      await carryOut(disk, job, options).catch(() => 'the power is gone');
      const later = disk.after(keeps);
      expect([before, after], `cut at ${cutAt}`).toContain(await weights(later));
      expect(await carryOut(later, job, options)).toBe('SUCCEEDED');
      expect(await weights(later)).toBe(after);
    }
    expect(whole.operations).toBe(from);
  }
});

test('UPDATE-10: firmware counts as installed only when it has said that it is healthy; then the other slot is what it can go back to', async () => {
  const bundle = firmware('1.1.0');
  const disk = await vehicleWith('1.0.0');
  const options = { openArchive: serving(bundle) };
  expect(await (await boot(disk, options)).run(await updateJob(signer, bundle), noReport)).toBe('restart-needed');
  const updated = await boot(disk, options);
  expect(updated.pendingOutcome()).toBeUndefined();
  expect(updated.installed().software).toEqual({ version: '1.1.0', slot: 'b' });
  await updated.markHealthy();
  expect(updated.pendingOutcome()).toMatchObject({ status: 'SUCCEEDED' });
  expect((await boot(disk, options)).pendingOutcome()).toBeUndefined();
  expect(await (await boot(disk, options)).run(await revertJob(signer, bundle), noReport)).toBe('restart-needed');
  const back = await boot(disk, options);
  await back.markHealthy();
  expect([back.pendingOutcome()?.status, back.installed().software]).toEqual(['SUCCEEDED', { version: '1.0.0', slot: 'a' }]);
  expect(await back.run(await revertJob(signer, bundle), noReport)).toMatchObject({ status: 'SUCCEEDED', details: { note: 'it is not installed' } });
});

test('UPDATE-10: an agent that takes up its job again before it is healthy does not restart, and answers when it is', async () => {
  const bundle = firmware('1.1.0');
  const disk = await vehicleWith('1.0.0');
  const options = { openArchive: serving(bundle) };
  const document = await updateJob(signer, bundle);
  const before = await boot(disk, options);
  expect(await before.run(document, noReport)).toBe('restart-needed');
  expect(await before.run(document, noReport)).toBe('restart-needed');
  const updated = await boot(disk, options);
  let answered: unknown;
  const answer = updated.run(document, noReport).then((outcome) => (answered = outcome));
  await new Promise(setImmediate);
  expect(answered).toBeUndefined();
  await updated.markHealthy();
  expect(await answer).toMatchObject({ status: 'SUCCEEDED' });
  const stop = new AbortController();
  expect(await updated.run(await revertJob(signer, bundle), noReport)).toBe('restart-needed');
  const stopped = (await boot(disk, { ...options, signal: stop.signal })).run(await revertJob(signer, bundle), noReport);
  stop.abort(new Error('the agent stops'));
  await expect(stopped).rejects.toThrow('the agent stops');
});

test('UPDATE-11: a model that cannot be loaded or fails its self-test is refused; the one before stays', async () => {
  const [good, bad] = [models('1.0.0'), models('1.1.0', 'broken')];
  const selfTests = { models: (files: ReadonlyMap<string, Uint8Array>) => { if (Buffer.from(files.get('collision.model') ?? '').toString() === 'broken') throw new Error('it answers nonsense'); } };
  const disk = memoryDisk();
  const updater = await open(disk, { openArchive: serving(good, bad), selfTests });
  await updater.run(await updateJob(signer, good), noReport);
  expect(await updater.run(await updateJob(signer, bad), noReport)).toEqual({ status: 'REJECTED', details: { reason: 'its self-test failed: it answers nonsense' } });
  expect(updater.installed().models).toEqual({ collision: '1.0.0' });
  expect(await disk.list('models')).toEqual([good.manifest.bundleId]);
});

test.each(['crashes-at-once', 'hangs'])('UPDATE-12: firmware that %s is left after three starts; that is told, once more when it was not heard, and then a new job may try', async (behaviour) => {
  const bundle = firmware('1.1.0', behaviour);
  const disk = await vehicleWith('1.0.0');
  const document = await updateJob(signer, bundle);
  await (await boot(disk, { openArchive: serving(bundle) })).run(document, noReport);
  expect(await bootSimulated(disk, '1.0.0')).toMatchObject({ slot: 'a', version: '1.0.0', starts: 4 });
  const back = await boot(disk, { openArchive: serving(bundle) });
  expect(back.pendingOutcome()).toMatchObject({ status: 'FAILED', details: { reason: 'not healthy after 3 starts' } });
  expect(await back.run(document, noReport)).toMatchObject({ status: 'FAILED' });
  expect(await back.run(document, noReport)).toBe('restart-needed');
});

test('UPDATE-13: a full disk fails the update and says so; what runs stays, and the room is free again', async () => {
  const bundle = firmware('1.1.0');
  const disk = memoryDisk();
  const full: Disk = { ...disk, write: async (path, bytes) => { if (path.startsWith('slots/b')) throw new Error('ENOSPC: no space left on device'); await disk.write(path, bytes); } };
  const updater = await open(full, { openArchive: serving(bundle) });
  expect(await updater.run(await updateJob(signer, bundle), noReport)).toEqual({ status: 'FAILED', details: { reason: 'ENOSPC: no space left on device' } });
  expect(await disk.list('downloads')).toEqual([]);
  expect(await bootSimulated(disk, '1.0.0')).toMatchObject({ slot: 'a', starts: 1 });
  const again = await open(disk, { openArchive: serving(bundle) });
  expect(await again.run(await updateJob(signer, bundle), noReport)).toBe('restart-needed');
});

test('UPDATE-14: records that are spoilt start the vehicle from the factory slot instead of not at all', async () => {
  const disk = memoryDisk();
  await disk.write('boot.json', Buffer.from('{"format":1,"active":"c"'));
  await disk.write('state.json', Buffer.from('rubbish'));
  const updater = await boot(disk);
  expect(updater.installed()).toEqual({ software: { version: '1.0.0', slot: 'a' }, models: {}, zonesVersion: undefined });
});

test('UPDATE-05: an archive that is no archive is refused, although its digest was signed', async () => {
  const bundle = models('1.0.0');
  const truncated = writeArchive([textFile('collision.model', 'weights')]).subarray(0, 60);
  const spoilt = { manifest: { ...bundle.manifest, archiveSha256: createHash('sha256').update(truncated).digest('hex'), archiveSizeBytes: truncated.length }, archive: truncated };
  expect(await (await open(memoryDisk(), { openArchive: serving(spoilt) })).run(await updateJob(signer, spoilt), noReport)).toMatchObject({ status: 'REJECTED' });
});
