/** The agent in a vehicle: hears its sensors and the platform, decides on its own when it has to, and forgets nothing that counts. */
import type { JSONWebKeySet } from 'jose';
import type { CollisionDetector, GeofenceMonitor, TamperDetector } from '../detection/port.ts';
import { type AlertMessage, CommandMessage, type CommandResult, type DesiredConfiguration, type Position, type ReportedShadow, type ReportedState } from '../protocol/messages.ts';
import { topics } from '../protocol/topics.ts';
import type { Actuators, MotionSample, PositionFix, Sensors } from '../sensors/port.ts';
import type { AgentMemory, AgentStorage, DocumentName, Identity, StoredMessage } from '../storage/port.ts';
import type { Updater } from '../update/port.ts';
import { type Clock, VehicleClock } from './clock.ts';
import { obey } from './commands.ts';
import { Jobs } from './jobs.ts';
import { DeviceLink } from './link.ts';
import { MotionMemory } from './motion-memory.ts';
import { Outbox } from './outbox.ts';
import { Requests } from './requests.ts';
import { Shadow } from './shadow.ts';
import { TelemetryStream } from './telemetry.ts';
import { type AgentTracer, passingOn } from './tracing.ts';
import { judgeToken, type TokenRefusal } from './unlock-tokens.ts';

/** How often the vehicle speaks. */
export interface Rhythm {
  /** State reports. */
  movingMs: number;
  /** Unlocked, but standing. */
  standingMs: number;
  parkedMs: number;
  /** Telemetry records. */
  recordMovingMs: number;
  recordParkedMs: number;
}

const usualRhythm: Rhythm = { movingMs: 5_000, standingMs: 15_000, parkedMs: 60_000, recordMovingMs: 1_000, recordParkedMs: 60_000 };

export interface Detectors {
  collision?: CollisionDetector | undefined;
  geofence?: GeofenceMonitor | undefined;
  tamper?: TamperDetector | undefined;
}

export interface AgentOptions {
  identity: Identity;
  storage: AgentStorage;
  sensors: Sensors;
  actuators: Actuators;
  /** Of the hardware. */
  clock: Clock;
  /** The hardware's clock is right by itself: it is not set by what the platform says. */
  trustsOwnClock?: boolean;
  random: () => number;
  newId: () => string;
  detectors?: Detectors;
  updater?: Updater | undefined;
  /** How often the launcher had to start it until it stayed up; 1 without a word. */
  starts?: number | undefined;
  rhythm?: Rhythm;
  tracer?: AgentTracer | undefined;
  /** Where the vehicle is, as long as it has no fix and remembers none. */
  startPosition: Position;
  lowBatteryPercent?: number;
  onUnlocked?: (bookingId: string) => void;
  onRefusedByBroker?: () => void;
  /** Other models or zones may be there now. */
  onInstalled?: () => void;
  /** New firmware waits for a start. */
  onRestartNeeded?: () => void;
  onTrouble?: (trouble: string, error: unknown) => void;
}

const standsStillBelow = 0.5;
/** In a tunnel or a garage the last fix says nothing any more: the wheels still do. */
const fixCountsForMs = 5_000;
const round = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
const lowBatteryAt = 15;

const firstMemory = (startPosition: Position): AgentMemory => ({
  sequence: 0, alertSequence: 0, recordsReservedTo: 1, bootCount: 0, position: startPosition, odometerMetres: 0, batteryPercent: 0, locked: true, pluggedIn: false, disabled: false,
  bookingId: null, usedTokens: [], executed: [], timeIsAtLeastMs: 0, insideZones: [],
});

export type PresentedToken = { accepted: true; bookingId: string } | { accepted: false; reason: TokenRefusal | 'in-use' | 'disabled' };

export class Agent {
  readonly vehicleId: string;
  readonly #options: AgentOptions;
  readonly #storage: AgentStorage;
  readonly #memory: AgentMemory;
  readonly #clock: VehicleClock;
  readonly #link: DeviceLink;
  readonly #reports: Outbox;
  readonly #alerts: Outbox;
  readonly #requests: Requests;
  readonly #shadow: Shadow;
  readonly #jobs: Jobs | undefined;
  readonly #telemetry: TelemetryStream;
  readonly #listening: (() => void)[];
  #motion: MotionMemory | undefined;
  #keys: JSONWebKeySet;
  #configuration: DesiredConfiguration;
  #detectors: Detectors;
  #fix: PositionFix | undefined;
  #locatedAtMs = Number.NEGATIVE_INFINITY;
  /** At the fix before the last. */
  #speedBefore = 0;
  #peakAccelerationG = 1;
  #reportDueAtMs: number;
  #recordDueAtMs: number;
  #isHealthy = false;
  #diskRefuses = false;

  constructor(options: AgentOptions) {
    const { identity, storage, clock, random, sensors, updater } = options;
    this.vehicleId = identity.vehicleId;
    this.#options = options;
    this.#detectors = options.detectors ?? {};
    this.#storage = storage;
    this.#memory = storage.memory() ?? firstMemory(options.startPosition);
    this.#memory.bootCount += options.starts ?? 1;
    this.#clock = new VehicleClock(clock, this.#memory.timeIsAtLeastMs, options.trustsOwnClock ?? false);
    this.#keys = JSON.parse(storage.document('unlock-keys') ?? '{"keys":[]}') as JSONWebKeySet;
    this.#configuration = JSON.parse(storage.document('configuration') ?? '{}') as DesiredConfiguration;
    this.#link = new DeviceLink({
      identity, random, validity: (fromMs, toMs) => this.#clock.isWithin(fromMs, toMs), subscriptions: [topics.commands(this.vehicleId), topics.unlockKeys, `$aws/things/${this.vehicleId}/#`],
      events: {
        connected: () => this.#connected(),
        disconnected: () => this.#disconnected(),
        message: (topic, payload) => this.#hear(topic, payload),
        refused: () => options.onRefusedByBroker?.(),
      },
    });
    const publish = (topic: string, payload: string | Uint8Array) => this.#link.publish(topic, payload);
    const outgoing = { storage, publish, isConnected: () => this.#link.isConnected, onTrouble: this.#trouble };
    this.#reports = new Outbox({ ...outgoing, kind: 'state', topic: topics.state(this.vehicleId) });
    this.#alerts = new Outbox({ ...outgoing, kind: 'alert', topic: topics.alerts(this.vehicleId) });
    this.#requests = new Requests(publish);
    this.#shadow = new Shadow({
      vehicleId: this.vehicleId, requests: this.#requests, reported: () => this.#reported(), configure: (wanted) => this.#configure(wanted),
      platformSays: (timeMs) => this.#platformSays(timeMs),
    });
    this.#jobs = updater && new Jobs({
      vehicleId: this.vehicleId, requests: this.#requests, updater, onTrouble: this.#trouble,
      installed: () => {
        options.onInstalled?.();
        this.#shadow.report().catch((error: unknown) => this.#trouble('the shadow cannot be reported', error));
      },
      restart: () => options.onRestartNeeded?.(),
    });
    this.#telemetry = new TelemetryStream({
      ...outgoing, topic: topics.telemetry(this.vehicleId), bootCount: this.#memory.bootCount, firstSequence: Math.max(1, this.#memory.recordsReservedTo),
      reserve: (upTo) => {
        this.#memory.recordsReservedTo = upTo;
        this.#write();
      },
    });
    storage.write(this.#memory);
    // Not all vehicles at the same second.
    this.#reportDueAtMs = this.#elapsedMs + random() * this.#rhythm.parkedMs;
    this.#recordDueAtMs = this.#elapsedMs + random() * this.#rhythm.recordParkedMs;
    this.#listening = [sensors.onFix((fix) => this.#located(fix)), sensors.onMotion((sample) => this.#moved(sample))];
  }

  get #rhythm(): Rhythm {
    const rhythm = this.#options.rhythm ?? usualRhythm;
    const { telemetryMovingSeconds, telemetryParkedSeconds } = this.#configuration;
    return {
      ...rhythm,
      ...(telemetryMovingSeconds !== undefined && { recordMovingMs: telemetryMovingSeconds * 1000 }),
      ...(telemetryParkedSeconds !== undefined && { recordParkedMs: telemetryParkedSeconds * 1000 }),
    };
  }

  readonly #trouble = (trouble: string, error: unknown): void => this.#options.onTrouble?.(trouble, error);

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /** How it stands; not to be changed from outside. */
  get memory(): Readonly<AgentMemory> {
    return this.#memory;
  }

  /** By its wheels or by satellite: whoever pushes or tows it moves it, too. */
  get isMoving(): boolean {
    return Math.max(this.#speed, this.#options.sensors.body().wheelSpeedMetresPerSecond) > standsStillBelow;
  }

  /** By satellite, and by the wheels where there is no fix. */
  get #speed(): number {
    return this.#fix && this.#isFixFresh ? this.#fix.speedMetresPerSecond : this.#options.sensors.body().wheelSpeedMetresPerSecond;
  }

  get #isFixFresh(): boolean {
    return this.#elapsedMs - this.#locatedAtMs <= fixCountsForMs;
  }

  /** A fix that came after an impact says that it stands. */
  get #speedJustBefore(): number {
    return this.#isFixFresh ? Math.max(this.#speed, this.#speedBefore) : this.#speed;
  }

  get #recordPauseMs(): number {
    const { recordMovingMs, recordParkedMs } = this.#rhythm;
    return this.isMoving || !this.#memory.locked ? recordMovingMs : recordParkedMs;
  }

  /** For intervals: by the hardware's clock, which does not leap when the time of day is set. */
  get #elapsedMs(): number {
    return this.#options.clock.nowMs();
  }

  /** What it knows of the time. */
  get clock(): VehicleClock {
    return this.#clock;
  }

  /** State reports and alerts that the platform has not acknowledged. */
  get unsentMessages(): number {
    return this.#reports.waiting + this.#alerts.waiting;
  }

  /** Telemetry that nobody will have: a day was over, or the disk full for too long. */
  get droppedRecords(): number {
    return this.#telemetry.droppedRecords;
  }

  get isTelemetrySent(): boolean {
    return this.#telemetry.isEverythingSent;
  }

  /** @param identity a new one, when the old does not work any more */
  connect(identity?: Identity): void {
    this.#link.connect(identity);
  }

  disconnect(): void {
    this.#link.disconnect();
  }

  /** Ends it as an orderly stop does. */
  close(): void {
    for (const end of this.#listening) end();
    this.disconnect();
    this.#telemetry.close();
  }

  /** From now on it judges by these: other models or zones have come. */
  useDetectors(detectors: Detectors): void {
    this.#detectors = detectors;
  }

  /** Lets time pass: reports, records and batches that are due. Called a few times a second. */
  advance(): void {
    if (this.#elapsedMs >= this.#reportDueAtMs) this.report();
    // Begins to move: the next record is not a minute away.
    this.#recordDueAtMs = Math.min(this.#recordDueAtMs, this.#elapsedMs + this.#recordPauseMs);
    if (this.#elapsedMs >= this.#recordDueAtMs) this.#record(false);
    this.#send();
  }

  #send(): void {
    const { batteryPercent, locked } = this.#memory;
    const { recordParkedMs, recordMovingMs } = this.#rhythm;
    const lowBattery = batteryPercent > 0 && batteryPercent < (this.#configuration.lowBatteryPercent ?? this.#options.lowBatteryPercent ?? lowBatteryAt);
    this.#telemetry.advance(this.#elapsedMs, { parkedPauseMs: recordParkedMs, recordPauseMs: recordMovingMs, moving: this.isMoving || !locked, lowBattery });
  }

  /** What a phone does over the near field. Needs no network. @returns whether it opened, and else why not */
  async presentToken(token: string): Promise<PresentedToken> {
    const memory = this.#memory;
    const isUsed = (tokenId: string) => memory.usedTokens.some(([used]) => used === tokenId);
    const verdict = await judgeToken(token, { vehicleId: this.vehicleId, keys: this.#keys, now: this.#clock.now(), isUsed });
    if (!verdict.accepted) return verdict;
    const { jti, exp, iat, bookingId } = verdict.claims;
    // Two phones at once: the judgement took a moment, so look again, now without one.
    if (isUsed(jti)) return { accepted: false, reason: 'used-before' };
    if (memory.disabled) return { accepted: false, reason: 'disabled' };
    if (!memory.locked && memory.bookingId !== bookingId) return { accepted: false, reason: 'in-use' };
    this.#clock.isAtLeast(iat * 1000);
    const nowSeconds = this.#clock.nowMs() / 1000;
    memory.usedTokens = [...memory.usedTokens.filter(([, runsOutAt]) => runsOutAt > nowSeconds - 60), [jti, exp]];
    this.#setLocked(false, bookingId);
    this.report();
    this.#options.onUnlocked?.(bookingId);
    return { accepted: true, bookingId };
  }

  /** Keys that unlock tokens are verified with, from provisioning; later ones come by themselves. */
  useUnlockKeys(keys: unknown): void {
    // What is no key set must not take the place of keys that open.
    if (typeof keys !== 'object' || keys === null || !('keys' in keys) || !Array.isArray(keys.keys)) return;
    this.#keys = keys as JSONWebKeySet;
    this.#saveDocument('unlock-keys', JSON.stringify(keys));
  }

  /** Something about the body changed: says so at once. */
  report(commandResults: CommandResult[] = [], traceparent?: string): void {
    this.#readBody();
    const memory = this.#memory;
    memory.sequence += 1;
    const { sequence, position, odometerMetres, batteryPercent, locked, pluggedIn, disabled, bookingId } = memory;
    const report: ReportedState = {
      vehicleId: this.vehicleId, sequence, reportedAt: this.#clock.now().toISOString(), position: { lat: round(position.lat, 7), lon: round(position.lon, 7) }, speedMetresPerSecond: this.#speed,
      odometerMetres: round(odometerMetres, 1), batteryPercent: round(batteryPercent, 2), locked, pluggedIn, disabled, bookingId, commandResults, ...(traceparent !== undefined && { traceparent }),
    };
    const { movingMs, standingMs, parkedMs } = this.#rhythm;
    this.#reportDueAtMs = this.#elapsedMs + (this.isMoving ? movingMs : locked ? parkedMs : standingMs);
    this.#post(this.#reports, { kind: 'state', sequence, json: JSON.stringify(report) });
    this.#record(true);
  }

  /** Keeps what counts, and with it what the disk did not take before. @returns false when the disk takes nothing: that is said once, not a thousand times */
  #write(message?: StoredMessage): boolean {
    try {
      for (const outbox of [this.#reports, this.#alerts]) outbox.keepHeld((held) => this.#storage.write(this.#memory, held));
      this.#storage.write(this.#memory, message);
      this.#diskRefuses = false;
      return true;
    } catch (error) {
      if (!this.#diskRefuses) this.#trouble('the disk takes nothing; what counts waits in memory', error);
      this.#diskRefuses = true;
      return false;
    }
  }

  #post(outbox: Outbox, message: StoredMessage): void {
    if (this.#write(message)) outbox.add(message.sequence);
    else outbox.hold(message.sequence, message.json);
  }

  #saveDocument(name: DocumentName, text: string): void {
    try {
      if (this.#storage.document(name) !== text) this.#storage.saveDocument(name, text);
    } catch (error) {
      // In use from memory; the platform says it again at the next connection after a start.
      this.#trouble(`${name} cannot be written`, error);
    }
  }

  /** A simulated body wants this remembered with the next write. */
  rememberBody(body: unknown): void {
    this.#memory.body = body;
  }

  #readBody(): void {
    const { batteryPercent, odometerMetres, pluggedIn } = this.#options.sensors.body();
    Object.assign(this.#memory, { batteryPercent, odometerMetres, pluggedIn });
    if (this.#clock.isSure) this.#memory.timeIsAtLeastMs = Math.max(this.#memory.timeIsAtLeastMs, Math.round(this.#clock.nowMs()));
  }

  #record(urgent: boolean): void {
    this.#readBody();
    const { position, batteryPercent, odometerMetres, locked, pluggedIn, disabled } = this.#memory;
    this.#telemetry.sample({
      timeMs: Math.round(this.#clock.nowMs()), latitudeDegrees: position.lat, longitudeDegrees: position.lon, speedMetresPerSecond: this.#speed, headingDegrees: this.#fix?.headingDegrees ?? 0,
      accuracyMetres: this.#fix?.accuracyMetres ?? 0, batteryPercent, odometerMetres, peakAccelerationG: this.#peakAccelerationG, locked, pluggedIn, disabled, clockUnsure: !this.#clock.isSure,
    }, urgent);
    this.#peakAccelerationG = 1;
    this.#recordDueAtMs = this.#elapsedMs + this.#recordPauseMs;
    // What cannot wait does not wait for the next turn.
    if (urgent) this.#send();
  }

  #located(fix: PositionFix): void {
    this.#speedBefore = this.#speed;
    this.#fix = fix;
    this.#locatedAtMs = this.#elapsedMs;
    this.#memory.position = { lat: fix.lat, lon: fix.lon };
    const { geofence } = this.#detectors;
    if (!geofence) return;
    const crossings = geofence.push(fix);
    if (crossings.length > 0) this.#memory.insideZones = [...geofence.inside()];
    for (const { kind, zoneId } of crossings) this.#alert({ kind: kind === 'entered' ? 'geofence-entered' : 'geofence-left', zoneId, confidence: 1, decidedBy: 'rule' });
  }

  #moved(sample: MotionSample): void {
    this.#motion ??= new MotionMemory();
    this.#peakAccelerationG = Math.max(this.#peakAccelerationG, this.#motion.push(sample));
    const { collision: collisions, tamper: tampering } = this.#detectors;
    const body = this.#options.sensors.body();
    const collision = collisions?.push(sample, body.wheelSpeedMetresPerSecond);
    if (collision) this.#alert({ kind: 'collision', speedMetresPerSecond: this.#speedJustBefore, peakG: round(collision.peakG, 2), confidence: collision.confidence, decidedBy: collision.decidedBy, motion: this.#motion.around(collision.atMs) }, sample.timeMs - collision.atMs);
    const tamper = tampering?.push(sample, body, this.#memory.locked);
    if (tamper) this.#alert({ kind: 'tamper', tamper: tamper.kind, confidence: tamper.confidence, decidedBy: tamper.decidedBy }, sample.timeMs - tamper.atMs);
  }

  /** Kept first, then sent before everything else. @param agoMs how long ago it happened */
  #alert(what: Pick<AlertMessage, 'kind' | 'confidence' | 'decidedBy'> & Partial<AlertMessage>, agoMs = 0): void {
    const memory = this.#memory;
    const alert: AlertMessage = {
      speedMetresPerSecond: this.#speed, ...what, alertId: this.#options.newId(), vehicleId: this.vehicleId, raisedAt: new Date(this.#clock.nowMs() - Math.max(0, agoMs)).toISOString(),
      position: { lat: round(memory.position.lat, 7), lon: round(memory.position.lon, 7) }, bookingId: memory.locked ? null : memory.bookingId,
      confidence: Math.min(1, Math.max(0, round(what.confidence, 3))),
    };
    memory.alertSequence += 1;
    this.#post(this.#alerts, { kind: 'alert', sequence: memory.alertSequence, json: JSON.stringify(alert) });
    this.#record(true);
  }

  #setLocked(locked: boolean, bookingId: string | null): void {
    this.#memory.locked = locked;
    if (!locked) this.#memory.bookingId = bookingId;
    this.#options.actuators.setLocked(locked);
  }

  #connected(): void {
    this.#alerts.send();
    this.report();
    this.#shadow.synchronise().catch((error: unknown) => this.#trouble('the shadow cannot be synchronised', error));
    this.#proveHealth().then(() => this.#jobs?.look(), (error: unknown) => this.#trouble('the firmware cannot be marked healthy', error));
  }

  /** It started, it connected, its models are loaded: this firmware stays. */
  async #proveHealth(): Promise<void> {
    if (this.#isHealthy) return;
    await this.#options.updater?.markHealthy?.();
    this.#isHealthy = true;
  }

  #disconnected(): void {
    this.#reports.disconnected();
    this.#alerts.disconnected();
    this.#requests.disconnected();
  }

  #hear(topic: string, payload: Uint8Array): void {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      return;
    }
    if (topic === topics.unlockKeys) this.useUnlockKeys(value);
    else if (topic === topics.commands(this.vehicleId)) this.#obey(value);
    else if (!this.#requests.hear(topic, value) && !this.#jobs?.hear(topic)) this.#shadow.hear(topic, value).catch((error: unknown) => this.#trouble('the shadow cannot be followed', error));
  }

  #obey(value: unknown): void {
    const command = CommandMessage.safeParse(value);
    if (!command.success) return;
    const { tracer = passingOn } = this.#options;
    tracer.step(`process ${command.data.kind}`, command.data.traceparent, (traceparent) => this.#run(command.data, traceparent));
  }

  #run(command: CommandMessage, traceparent: string | undefined): void {
    const memory = this.#memory;
    const { actuators } = this.#options;
    const wasLocked = memory.locked;
    const wasDisabled = memory.disabled;
    const { result, isRepeated } = obey(command, memory, { isMoving: this.isMoving, askToStop: () => actuators.askToStop(), signal: () => actuators.signal() }, this.#clock.nowMs());
    if (memory.locked !== wasLocked) actuators.setLocked(memory.locked);
    if (memory.disabled !== wasDisabled) actuators.setDisabled(memory.disabled);
    this.report([result], traceparent);
    const opened = command.kind === 'unlock' && result.outcome === 'done' && wasLocked && !isRepeated;
    if (opened && command.bookingId) this.#options.onUnlocked?.(command.bookingId);
  }

  #configure(wanted: DesiredConfiguration): void {
    this.#configuration = { ...this.#configuration, ...wanted };
    this.#saveDocument('configuration', JSON.stringify(this.#configuration));
  }

  #platformSays(timeMs: number): void {
    if (this.#options.trustsOwnClock) return;
    this.#clock.platformSays(timeMs);
    this.#memory.timeIsAtLeastMs = Math.max(0, Math.round(this.#clock.nowMs()));
  }

  #reported(): ReportedShadow {
    return { ...this.#options.updater?.installed(), bootCount: this.#memory.bootCount, configuration: { ...this.#configuration } };
  }
}
