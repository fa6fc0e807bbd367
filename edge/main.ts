/**
 * Runs one agent: `node main.ts --home FOLDER --claim FILE --vehicle ID [--recording CSV] [--zones GEOJSON] [--keys FILE]`.
 *
 * The claim is what the factory put into the vehicle: `{ brokerUrl, certificatePem, privateKeyPem, authorityPem }`. Sensors are played: a
 * recording, or a made-up round. README.md says what to put in their place on a real vehicle.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { Agent, type Detectors } from './agent/agent.ts';
import { VehicleClock } from './agent/clock.ts';
import { loadModels, usableZones, selfTests, zonesFile } from './agent/models.ts';
import { isNearItsEnd, provisionByClaim, ProvisioningRefused, renewCertificate, storedIdentities } from './agent/provisioning.ts';
import { collisionDetector } from './detection/collision.ts';
import { geofenceMonitor, loadZones } from './detection/geofence.ts';
import { tamperDetector } from './detection/tamper.ts';
import { madeUpRound, readRecordingFile, ReplayedSensors } from './sensors/replayed.ts';
import type { AgentStorage, Identity } from './storage/port.ts';
import { openSqliteStorage } from './storage/sqlite.ts';
import { folderDisk } from './update/disk.ts';
import type { TrustedKeys } from './update/trust.ts';
import { openUpdater } from './update/updater.ts';

const { values } = parseArgs({ options: {
  home: { type: 'string', default: './vehicle' }, claim: { type: 'string' }, vehicle: { type: 'string' }, recording: { type: 'string' }, zones: { type: 'string' }, keys: { type: 'string' },
} });

const say = (message: string, error?: unknown): void => void process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), message, ...(error !== undefined && { error: error instanceof Error ? error.message : error }) })}\n`);
const pause = (pauseMs: number) => new Promise<void>((resume) => setTimeout(resume, pauseMs));
const start = { lat: 50.1109, lon: 8.6821 };
const tickMs = 250;
const provisioningPauseMs = 5_000;
const renewalCheckMs = 3_600_000;
/** The launcher starts it again, with what is installed now. */
const restartNeeded = 75;

/** As the system's clock was at the start, and steady from there: the platform says when it was wrong. */
const nowMs = () => Math.floor(performance.timeOrigin + performance.now());
const clock = { nowMs, now: () => new Date(nowMs()) };

/** Who the vehicle is: as it was, or by its claim, for as long as that takes. */
async function identityOf(storage: AgentStorage): Promise<Identity> {
  const [kept] = storedIdentities(storage);
  if (kept) return kept;
  if (values.claim === undefined || values.vehicle === undefined) throw new Error('a vehicle that has no certificate yet needs --claim FILE and --vehicle ID');
  const claim: Identity = { ...(JSON.parse(readFileSync(values.claim, 'utf8')) as Omit<Identity, 'vehicleId'>), vehicleId: values.vehicle };
  for (;;) {
    try {
      const known = new VehicleClock(clock, storage.memory()?.timeIsAtLeastMs ?? 0, false);
      return await provisionByClaim(claim, storage, (fromMs, toMs) => known.isWithin(fromMs, toMs));
    } catch (error) {
      say(error instanceof ProvisioningRefused ? 'the platform refuses a certificate; asked again' : 'no certificate yet; asked again', error);
      await pause(provisioningPauseMs);
    }
  }
}

const storage = openSqliteStorage(values.home);
const identity = await identityOf(storage);
if (values.zones !== undefined) {
  const given = readFileSync(values.zones, 'utf8');
  loadZones(given);
  storage.saveDocument('zones', given);
}
const updates = process.env['MOBILITY_EDGE_UPDATES'];
const keysPath = values.keys ?? (updates === undefined ? undefined : join(updates, 'keys.json'));
const packageText = readFileSync(new URL('./package.json', import.meta.url), 'utf8');
const updater = updates !== undefined && keysPath !== undefined && existsSync(keysPath)
  ? await openUpdater({ disk: folderDisk(updates), version: (JSON.parse(packageText) as { version: string }).version, trustedKeys: JSON.parse(readFileSync(keysPath, 'utf8')) as TrustedKeys, selfTests })
  : undefined;
const sensors = new ReplayedSensors(values.recording === undefined ? madeUpRound(start) : readRecordingFile(values.recording), clock.nowMs, Math.random);
/** Where an update has put them. */
const installedPath = (kind: 'models' | 'zones', ...rest: string[]): string | undefined => {
  const folder = updater?.folder(kind);
  return updates === undefined || folder === undefined ? undefined : join(updates, folder, ...rest);
};
const installedNow = () => `${installedPath('models')} ${installedPath('zones')}`;

/** Those of an update before those that it came with. */
async function detectorsNow(): Promise<Detectors> {
  const [modelsPath, zonesPath] = [installedPath('models'), installedPath('zones', zonesFile)];
  const models = await loadModels(say, modelsPath === undefined ? undefined : pathToFileURL(`${modelsPath}/`));
  const zones = usableZones(say, zonesPath !== undefined && existsSync(zonesPath) ? readFileSync(zonesPath) : storage.document('zones'));
  return {
    collision: collisionDetector({ model: models.collision }), tamper: tamperDetector({ model: models.tamper }),
    geofence: zones && geofenceMonitor({ zones, insideBefore: storage.memory()?.insideZones ?? [] }),
  };
}

let inUse = installedNow();
async function useInstalled(): Promise<void> {
  if (installedNow() === inUse) return;
  inUse = installedNow();
  agent.useDetectors(await detectorsNow());
  say('judges by what was installed');
}

const agent = new Agent({
  identity, storage, sensors, actuators: sensors, clock, random: Math.random, newId: randomUUID, updater, startPosition: start,
  detectors: await detectorsNow(),
  onInstalled: () => void useInstalled().catch((error: unknown) => say('what was installed cannot be used', error)),
  onUnlocked: (bookingId) => say(`unlocked for ${bookingId}`),
  onRefusedByBroker() {
    say('the platform refuses this certificate');
    const [, before] = storedIdentities(storage);
    if (!before) return;
    // It was the next one, and is not good: back to the one that was.
    storage.saveDocument('next-identity', undefined);
    agent.disconnect();
    agent.connect(before);
  },
  onRestartNeeded: () => void stop(restartNeeded),
  onTrouble: say,
});
const ticking = setInterval(() => agent.advance(), tickMs);

/** A long way before the certificate ends, the next one is asked for; a network that is away is no reason to stop. */
async function renewWhenDue(): Promise<void> {
  const [current] = storedIdentities(storage);
  // Whoever does not know what time it is does not know what has come to its end.
  if (!current || !agent.clock.isSure || !isNearItsEnd(current, agent.clock.nowMs())) return;
  try {
    agent.disconnect();
    await renewCertificate(current, storage, (fromMs, toMs) => agent.clock.isWithin(fromMs, toMs));
    say('the next certificate is in use');
  } catch (error) {
    say('the next certificate cannot be had yet', error);
  } finally {
    agent.connect(storedIdentities(storage)[0]);
  }
}
const renewing = setInterval(() => void renewWhenDue(), renewalCheckMs);

async function stop(code: number): Promise<void> {
  clearInterval(ticking);
  clearInterval(renewing);
  sensors.close();
  agent.close();
  storage.close();
  process.exit(code);
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(0));

agent.connect();
await renewWhenDue();
say(`${identity.vehicleId} is awake`);
