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
import { Agent } from './agent/agent.ts';
import { loadModels } from './agent/models.ts';
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

/** Who the vehicle is: as it was, or by its claim, for as long as that takes. */
async function identityOf(storage: AgentStorage): Promise<Identity> {
  const [kept] = storedIdentities(storage);
  if (kept) return kept;
  if (values.claim === undefined || values.vehicle === undefined) throw new Error('a vehicle that has no certificate yet needs --claim FILE and --vehicle ID');
  const claim: Identity = { ...(JSON.parse(readFileSync(values.claim, 'utf8')) as Omit<Identity, 'vehicleId'>), vehicleId: values.vehicle };
  for (;;) {
    try {
      return await provisionByClaim(claim, storage);
    } catch (error) {
      say(error instanceof ProvisioningRefused ? 'the platform refuses a certificate; asked again' : 'no certificate yet; asked again', error);
      await pause(provisioningPauseMs);
    }
  }
}

const storage = openSqliteStorage(values.home);
const identity = await identityOf(storage);
const zones = values.zones === undefined ? storage.document('zones') : readFileSync(values.zones, 'utf8');
if (values.zones !== undefined && zones !== undefined) storage.saveDocument('zones', zones);
const updates = process.env['MOBILITY_EDGE_UPDATES'];
const keysPath = values.keys ?? (updates === undefined ? undefined : join(updates, 'keys.json'));
const packageText = readFileSync(new URL('./package.json', import.meta.url), 'utf8');
const updater = updates !== undefined && keysPath !== undefined && existsSync(keysPath)
  ? await openUpdater({ disk: folderDisk(updates), version: (JSON.parse(packageText) as { version: string }).version, trustedKeys: JSON.parse(readFileSync(keysPath, 'utf8')) as TrustedKeys })
  : undefined;
const clock = { nowMs: () => Date.now(), now: () => new Date() };
const sensors = new ReplayedSensors(values.recording === undefined ? madeUpRound(start) : readRecordingFile(values.recording), clock.nowMs, Math.random);
const models = await loadModels(say);

const agent = new Agent({
  identity, storage, sensors, actuators: sensors, clock, random: Math.random, newId: randomUUID, updater, startPosition: start,
  detectors: {
    collision: collisionDetector({ model: models.collision }), tamper: tamperDetector({ model: models.tamper }),
    geofence: zones === undefined ? undefined : geofenceMonitor({ zones: loadZones(zones), insideBefore: storage.memory()?.insideZones ?? [] }),
  },
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
  if (!current || !isNearItsEnd(current, clock.nowMs())) return;
  try {
    agent.disconnect();
    await renewCertificate(current, storage);
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
