/** A simulated vehicle: the agent in it, and the wheels under it. A real MQTT client in every respect. */
import type { JSONWebKeySet } from 'jose';
import type { Clock } from '../server/infra/clock/port.ts';
import { CommandMessage, type ReportedState } from '../edge/protocol/messages.ts';
import { topics } from '../edge/protocol/topics.ts';
import type { Position, VehicleType } from '../server/wire/schemas.ts';
import { DeviceLink } from './device-link.ts';
import { chargeStep, kinds, rideStep } from './physics.ts';
import type { Random } from './randomness.ts';
import type { DeviceCredentials, ExecutedCommand, VehicleMemory, VehicleStorage } from './storage.ts';
import { judgeToken, type TokenRefusal } from './unlock-tokens.ts';

export interface Rhythm {
  movingMs: number;
  /** Unlocked, but standing. */
  standingMs: number;
  parkedMs: number;
}

export const usualRhythm: Rhythm = { movingMs: 5_000, standingMs: 15_000, parkedMs: 60_000 };

export interface VehicleOptions {
  id: string;
  type: VehicleType;
  position: Position;
  batteryPercent: number;
  /** At a full battery; that of the type without it. */
  rangeMetres?: number;
  storage: VehicleStorage;
  credentials: DeviceCredentials;
  clock: Clock;
  random: Random;
  rhythm?: Rhythm;
  onUnlocked?: (vehicle: SimulatedVehicle, bookingId: string) => void;
  onArrived?: (vehicle: SimulatedVehicle) => void;
  onRefusedByBroker?: (vehicle: SimulatedVehicle) => void;
}

const mostInFlight = 20;
const rememberedCommands = 100;
const standsStillBelow = 0.5;
const brakesForMs = 30_000;
/** A centimetre. */
const round = (degrees: number): number => Math.round(degrees * 1e7) / 1e7;
/** A sleeping machine must not make the vehicle jump. */
const longestStepSeconds = 10;

export class SimulatedVehicle {
  readonly id: string;
  readonly type: VehicleType;
  readonly #options: VehicleOptions;
  readonly #storage: VehicleStorage;
  readonly #link: DeviceLink;
  readonly #memory: VehicleMemory;
  #keys: JSONWebKeySet;
  #speed = 0;
  #steppedAtMs: number;
  #reportDueAtMs: number;
  /** Sequence numbers that the broker has not acknowledged, oldest first; the reports are on the disk. */
  readonly #unsent: number[];
  #inFlight = 0;
  #destinationHoldUntilMs = 0;

  constructor(options: VehicleOptions) {
    const { id, type, storage, credentials, clock, random } = options;
    this.id = id;
    this.type = type;
    this.#options = options;
    this.#storage = storage;
    this.#memory = storage.load() ?? {
      sequence: 0, position: options.position, odometerMetres: 0, batteryPercent: options.batteryPercent, locked: true, pluggedIn: false, bookingId: null, destination: null, usedTokens: [], executed: [],
    };
    this.#unsent = storage.unsent();
    this.#keys = credentials.unlockKeys as unknown as JSONWebKeySet;
    this.#steppedAtMs = clock.nowMs();
    // Not all at the same second.
    this.#reportDueAtMs = clock.nowMs() + random() * this.#rhythm.parkedMs;
    this.#link = new DeviceLink(credentials, random, {
      connected: () => {
        this.#report([]);
      },
      disconnected: () => {
        this.#inFlight = 0;
      },
      message: (topic, payload) => this.#hear(topic, payload),
      refused: () => options.onRefusedByBroker?.(this),
    });
  }

  get #rhythm(): Rhythm {
    return this.#options.rhythm ?? usualRhythm;
  }

  /** How it stands; a copy. */
  get state(): Readonly<Omit<VehicleMemory, 'usedTokens' | 'executed'>> & { speedMetresPerSecond: number; isConnected: boolean; unsentReports: number } {
    const { usedTokens: _tokens, executed: _commands, ...shown } = this.#memory;
    return structuredClone({ ...shown, speedMetresPerSecond: this.#speed, isConnected: this.#link.isConnected, unsentReports: this.#unsent.length });
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  get isLocked(): boolean {
    return this.#memory.locked;
  }

  /** Percent. */
  get charge(): number {
    return this.#memory.batteryPercent;
  }

  /** @param credentials new ones, when the old do not work any more */
  connect(credentials?: DeviceCredentials): void {
    if (credentials) this.#keys = credentials.unlockKeys as unknown as JSONWebKeySet;
    this.#link.connect(credentials);
  }

  disconnect(): void {
    this.#link.disconnect();
  }

  /** What a phone does over the near field. Needs no network. @returns whether it opened, and else why not */
  async presentToken(token: string): Promise<{ accepted: true; bookingId: string } | { accepted: false; reason: TokenRefusal | 'in-use' }> {
    const { clock } = this.#options;
    const isUsed = (tokenId: string) => this.#memory.usedTokens.some(([used]) => used === tokenId);
    const verdict = await judgeToken(token, { vehicleId: this.id, keys: this.#keys, now: clock.now(), isUsed });
    if (!verdict.accepted) return verdict;
    const { jti, exp, bookingId } = verdict.claims;
    // Two phones at once: the judgement took a moment, so look again, now without one.
    if (isUsed(jti)) return { accepted: false, reason: 'used-before' };
    if (!this.#memory.locked && this.#memory.bookingId !== bookingId) return { accepted: false, reason: 'in-use' };
    const nowSeconds = clock.nowMs() / 1000;
    this.#memory.usedTokens = [...this.#memory.usedTokens.filter(([, runsOutAt]) => runsOutAt > nowSeconds - 60), [jti, exp]];
    this.#unlock(bookingId);
    this.#report([]);
    this.#options.onUnlocked?.(this, bookingId);
    return { accepted: true, bookingId };
  }

  /** Rides there, when it is unlocked. @param afterMs waits so long first */
  rideTo(destination: Position, afterMs = 0): void {
    this.#memory.destination = { ...destination };
    this.#destinationHoldUntilMs = this.#options.clock.nowMs() + afterMs;
  }

  stop(): void {
    this.#memory.destination = null;
    if (this.#speed === 0) return;
    this.#speed = 0;
    this.#report([]);
  }

  #brake(): void {
    this.#speed = 0;
    this.#destinationHoldUntilMs = this.#options.clock.nowMs() + brakesForMs;
  }

  plugIn(): void {
    this.#memory.pluggedIn = true;
    this.#report([]);
  }

  /** Somebody changes the battery. */
  swapBattery(): void {
    this.#memory.batteryPercent = 100;
    this.#report([]);
  }

  /** Lets time pass; a ticker calls it for all vehicles of the process. */
  advance(): void {
    const nowMs = this.#options.clock.nowMs();
    const seconds = Math.min(longestStepSeconds, Math.max(0, (nowMs - this.#steppedAtMs) / 1000));
    this.#steppedAtMs = nowMs;
    const memory = this.#memory;
    if (!memory.locked && memory.destination && nowMs >= this.#destinationHoldUntilMs) this.#ride(memory.destination, seconds);
    else if (memory.pluggedIn) memory.batteryPercent = chargeStep(memory.batteryPercent, this.type, seconds);
    if (nowMs >= this.#reportDueAtMs) this.#report([]);
  }

  #ride(destination: Position, seconds: number): void {
    const memory = this.#memory;
    const wasStanding = this.#speed === 0;
    const { speedMetresPerSecond, rangeMetres } = kinds[this.type];
    const step = rideStep({ ...memory, speedMetresPerSecond: this.#speed }, destination, { seconds, speedMetresPerSecond, rangeMetres: this.#options.rangeMetres ?? rangeMetres });
    memory.position = step.position;
    memory.odometerMetres = step.odometerMetres;
    memory.batteryPercent = step.batteryPercent;
    memory.pluggedIn = false;
    this.#speed = step.speedMetresPerSecond;
    if (step.arrived || step.batteryPercent === 0) memory.destination = null;
    if (memory.destination === null || wasStanding) this.#report([]);
    if (memory.destination === null) this.#options.onArrived?.(this);
  }

  #unlock(bookingId: string | null): void {
    this.#memory.locked = false;
    this.#memory.bookingId = bookingId;
  }

  #hear(topic: string, payload: Uint8Array): void {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      return;
    }
    if (topic === topics.unlockKeys) {
      this.#keys = value as JSONWebKeySet;
      const credentials = this.#storage.credentials();
      if (credentials && JSON.stringify(credentials.unlockKeys) !== JSON.stringify(value)) this.#storage.saveCredentials({ ...credentials, unlockKeys: value as DeviceCredentials['unlockKeys'] });
      return;
    }
    const command = CommandMessage.safeParse(value);
    if (command.success) this.#obey(command.data);
  }

  /** Once for each id; a command that comes again is answered again. */
  #obey(command: CommandMessage): void {
    const before = this.#memory.executed.find(({ commandId }) => commandId === command.commandId);
    if (before) return this.#report([before]);
    const wasLocked = this.#memory.locked;
    const reason = Date.parse(command.expiresAt) < this.#options.clock.nowMs() ? 'expired' : this.#execute(command);
    const result: ExecutedCommand = { commandId: command.commandId, outcome: reason === undefined ? 'done' : 'refused', ...(reason !== undefined && { reason }) };
    // Remembered in the same write as what it did.
    this.#memory.executed = [...this.#memory.executed.slice(1 - rememberedCommands), result];
    this.#report([result]);
    if (command.kind === 'unlock' && reason === undefined && wasLocked && command.bookingId) this.#options.onUnlocked?.(this, command.bookingId);
  }

  /** @returns why not, undefined when done */
  #execute({ kind, bookingId }: CommandMessage): string | undefined {
    const memory = this.#memory;
    const ofThisRide = bookingId === null || memory.bookingId === null || memory.bookingId === bookingId;
    switch (kind) {
      case 'unlock':
        if (!memory.locked && !ofThisRide) return 'in-use';
        this.#unlock(bookingId);
        return undefined;
      case 'resume':
        if (!ofThisRide) return 'of-another-booking';
        this.#unlock(bookingId ?? memory.bookingId);
        return undefined;
      case 'pause':
      case 'lock':
        // A lock that comes after the next rider has opened is over: that ride was locked long ago.
        if (!ofThisRide) return kind === 'lock' ? undefined : 'of-another-booking';
        if (this.#speed > standsStillBelow) {
          // Who wants to pause brakes, and tries again.
          if (kind === 'pause') this.#brake();
          return 'moving';
        }
        memory.locked = true;
        if (kind === 'lock') memory.destination = null;
        return undefined;
      case 'locate':
        return undefined;
    }
  }

  /** Writes down how it stands, and sends it when there is a network. */
  #report(commandResults: ExecutedCommand[]): void {
    const { clock } = this.#options;
    const memory = this.#memory;
    memory.sequence += 1;
    const { sequence, position, odometerMetres, batteryPercent, locked, pluggedIn, bookingId } = memory;
    const report: ReportedState = {
      vehicleId: this.id, sequence, reportedAt: clock.now().toISOString(), position: { lat: round(position.lat), lon: round(position.lon) }, speedMetresPerSecond: this.#speed,
      odometerMetres: Math.round(odometerMetres * 10) / 10, batteryPercent: Math.round(batteryPercent * 100) / 100, locked, pluggedIn, bookingId, commandResults,
    };
    this.#storage.save(memory, { sequence, json: JSON.stringify(report) });
    this.#unsent.push(sequence);
    const { movingMs, standingMs, parkedMs } = this.#rhythm;
    this.#reportDueAtMs = clock.nowMs() + (this.#speed > 0 ? movingMs : locked ? parkedMs : standingMs);
    this.#send();
  }

  /** In order, a few at a time; what is not acknowledged when the connection breaks is sent again, from the oldest. */
  #send(): void {
    while (this.#link.isConnected && this.#inFlight < Math.min(mostInFlight, this.#unsent.length)) {
      const sequence = this.#unsent[this.#inFlight];
      const json = sequence === undefined ? undefined : this.#storage.report(sequence);
      if (sequence === undefined || json === undefined) throw new Error(`${this.id}: report ${sequence} is not on the disk`);
      this.#inFlight += 1;
      this.#link.publish(topics.state(this.id), json).then(
        () => this.#acknowledged(sequence),
        // The connection is gone; `disconnected` starts again from the oldest.
        () => undefined,
      );
    }
  }

  #acknowledged(sequence: number): void {
    const index = this.#unsent.indexOf(sequence);
    if (index < 0) return;
    this.#unsent.splice(index, 1);
    this.#storage.forget(sequence);
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    this.#send();
  }
}
