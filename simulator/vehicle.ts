/** A simulated vehicle: the real agent in it, and a simulated body around it. */
import { collisionDetector } from '../edge/detection/collision.ts';
import { geofenceMonitor, type Zones } from '../edge/detection/geofence.ts';
import { tamperDetector } from '../edge/detection/tamper.ts';
import { Agent, type PresentedToken, type Rhythm } from '../edge/agent/agent.ts';
import type { Models } from '../edge/agent/models.ts';
import type { AgentTracer } from '../edge/agent/tracing.ts';
import type { AgentStorage, Identity } from '../edge/storage/port.ts';
import { v7 } from 'uuid';
import type { Clock } from '../server/infra/clock/port.ts';
import type { Tracer } from '../server/infra/observability/port.ts';
import type { Position, VehicleType } from '../server/wire/schemas.ts';
import { type BodyMemory, SimulatedBody } from './body.ts';
import type { RunningFirmware, SimulatedFirmware } from './firmware.ts';
import type { Random } from './randomness.ts';
import { crash, type StreetScene, theft } from './street.ts';

export interface VehicleOptions {
  id: string;
  type: VehicleType;
  position: Position;
  batteryPercent: number;
  /** At a full battery; that of the type without it. */
  rangeMetres?: number;
  storage: AgentStorage;
  identity: Identity;
  /** Keys of unlock tokens, from provisioning. */
  unlockKeys?: unknown;
  clock: Clock;
  random: Random;
  rhythm?: Rhythm;
  /** Records what the agent does, as if the vehicle were a service of the platform. */
  tracer?: Tracer;
  /** Shared by all vehicles of a process. By rules alone without. */
  models?: Models;
  /** Shared, too. */
  zones?: Zones | undefined;
  /** Takes updates with it; without, there is nothing to update. */
  firmware?: SimulatedFirmware;
  /** What `firmware` has started. */
  running?: RunningFirmware;
  onUnlocked?: (vehicle: SimulatedVehicle, bookingId: string) => void;
  onArrived?: (vehicle: SimulatedVehicle) => void;
  onRefusedByBroker?: (vehicle: SimulatedVehicle) => void;
  onTrouble?: (trouble: string, error: unknown) => void;
}

/** What the agent does for a command, and its answer, as spans. */
const agentTracer = (tracer: Tracer, vehicleId: string): AgentTracer => ({
  step(name, parent, work) {
    const attributes = { 'messaging.system': 'mqtt', 'mobility.vehicle.id': vehicleId };
    const span = tracer.open(name, { kind: 'consumer', parent, attributes: { ...attributes, 'messaging.operation.type': 'process', 'messaging.destination.template': 'vehicles/{vehicleId}/commands' } });
    const answer = tracer.open('send vehicles/{vehicleId}/state', { kind: 'producer', parent: span.traceparent ?? parent, attributes: { ...attributes, 'messaging.operation.type': 'send', 'messaging.destination.template': 'vehicles/{vehicleId}/state' } });
    try {
      return work(answer.traceparent ?? parent);
    } finally {
      answer.end();
      span.end();
    }
  },
});

/** A sleeping machine must not make the vehicle jump. */
const longestStepSeconds = 10;
const samplePauseMs = 10;
/** Firmware that crashes again and again, and firmware that falls silent, do so after this long. */
const misbehavesAfterMs = 2_000;

export class SimulatedVehicle {
  readonly id: string;
  readonly type: VehicleType;
  readonly #options: VehicleOptions;
  readonly #body: SimulatedBody;
  readonly #timers = new Set<NodeJS.Timeout>();
  #agent: Agent;
  #identity: Identity;
  #wanted = false;
  #steppedAtMs: number;
  #misbehaving: NodeJS.Timeout | undefined;

  constructor(options: VehicleOptions) {
    const { id, type, storage, clock, rangeMetres, position, batteryPercent } = options;
    this.id = id;
    this.type = type;
    this.#options = options;
    this.#identity = options.identity;
    const remembered = storage.memory();
    const memory = (remembered?.body as BodyMemory | undefined) ?? { position, odometerMetres: 0, batteryPercent, pluggedIn: false, destination: null };
    this.#body = new SimulatedBody({ type, rangeMetres, memory, disabled: remembered?.disabled ?? false, nowMs: () => clock.nowMs() });
    this.#steppedAtMs = clock.nowMs();
    this.#agent = this.#startAgent(options.running);
  }

  #startAgent(running: RunningFirmware | undefined): Agent {
    const { id, tracer, storage, clock, random, rhythm, position, models, zones, unlockKeys, onUnlocked, onRefusedByBroker, onTrouble } = this.#options;
    const agent = new Agent({
      identity: this.#identity, storage, sensors: this.#body, actuators: this.#body, clock, trustsOwnClock: true, random, newId: () => v7(), ...(rhythm && { rhythm }), startPosition: position, tracer: tracer && agentTracer(tracer, id),
      detectors: { collision: collisionDetector({ model: models?.collision }), tamper: tamperDetector({ model: models?.tamper }), geofence: zones && geofenceMonitor({ zones, insideBefore: storage.memory()?.insideZones ?? [] }) },
      updater: running?.updater, starts: running?.starts,
      onUnlocked: (bookingId) => onUnlocked?.(this, bookingId),
      onRefusedByBroker: () => onRefusedByBroker?.(this),
      onRestartNeeded: () => void this.#restart().catch((error: unknown) => onTrouble?.(`${this.id} does not start again`, error)),
      ...(onTrouble && { onTrouble }),
    });
    agent.rememberBody(this.#body.memory);
    if (unlockKeys && storage.document('unlock-keys') === undefined) agent.useUnlockKeys(unlockKeys);
    this.#misbehave(running);
    return agent;
  }

  /** The power goes and comes back, with whatever firmware is to run now. */
  async #restart(): Promise<void> {
    this.#agent.close();
    const running = await this.#options.firmware?.start();
    this.#agent = this.#startAgent(running);
    if (this.#wanted) this.#agent.connect(this.#identity);
  }

  #misbehave(running: RunningFirmware | undefined): void {
    clearTimeout(this.#misbehaving);
    if (running?.behaviour === 'crashes-later') this.#misbehaving = setTimeout(() => void this.#restart(), misbehavesAfterMs).unref();
    if (running?.behaviour === 'goes-silent') this.#misbehaving = setTimeout(() => this.#agent.disconnect(), misbehavesAfterMs).unref();
  }

  /** How it stands; a copy. */
  get state(): BodyMemory & { sequence: number; locked: boolean; disabled: boolean; bookingId: string | null; bootCount: number; speedMetresPerSecond: number; isConnected: boolean; unsentReports: number } {
    const { sequence, locked, disabled, bookingId, bootCount } = this.#agent.memory;
    return structuredClone({
      ...this.#body.memory, sequence, locked, disabled, bookingId, bootCount, speedMetresPerSecond: this.#body.speedMetresPerSecond, isConnected: this.#agent.isConnected, unsentReports: this.#agent.unsentMessages,
    });
  }

  get isConnected(): boolean {
    return this.#agent.isConnected;
  }

  get isTelemetrySent(): boolean {
    return this.#agent.isTelemetrySent;
  }

  get isLocked(): boolean {
    return this.#agent.memory.locked;
  }

  /** Percent. */
  get charge(): number {
    return this.#body.memory.batteryPercent;
  }

  /** @param identity a new one, when the old does not work any more */
  connect(identity: Identity = this.#identity): void {
    this.#identity = identity;
    this.#wanted = true;
    this.#agent.connect(identity);
  }

  disconnect(): void {
    this.#wanted = false;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#misbehaving);
    this.#agent.disconnect();
  }

  /** Ends it as an orderly stop does: what was sampled is kept. */
  close(): void {
    this.disconnect();
    this.#agent.close();
  }

  /** What a phone does over the near field. Needs no network. */
  presentToken(token: string): Promise<PresentedToken> {
    return this.#agent.presentToken(token);
  }

  /** Rides there, when it is unlocked. @param afterMs waits so long first */
  rideTo(destination: Position, afterMs = 0): void {
    this.#body.rideTo(destination, afterMs);
  }

  plugIn(): void {
    this.#body.memory.pluggedIn = true;
    this.#agent.report();
  }

  /** Somebody changes the battery. */
  swapBattery(): void {
    this.#body.memory.batteryPercent = 100;
    this.#agent.report();
  }

  /** Somebody drives into it, or it into somebody: the impact is now, and what follows takes its time. */
  crash(): void {
    const { random, clock } = this.#options;
    const scene = crash(random, clock.nowMs());
    this.#body.feel(scene.samples.slice(0, scene.happensAt));
    this.#body.crash();
    this.#play(scene);
  }

  /** Somebody lifts it into a van. */
  tamper(): void {
    const { random, clock } = this.#options;
    const scene = theft(random, clock.nowMs());
    this.#body.feel(scene.samples.slice(0, scene.happensAt));
    this.#play(scene);
  }

  /** The motion from the moment on, sample by sample as time goes. */
  #play({ samples, happensAt }: StreetScene): void {
    let next = happensAt;
    const beganMs = performance.now();
    const timer = setInterval(() => {
      const due = happensAt + Math.floor((performance.now() - beganMs) / samplePauseMs) + 1;
      this.#body.feel(samples.slice(next, due));
      next = due;
      if (next < samples.length) return;
      clearInterval(timer);
      this.#timers.delete(timer);
    }, samplePauseMs);
    this.#timers.add(timer);
  }

  /** Lets time pass; a ticker calls it for all vehicles of the process. */
  advance(): void {
    const nowMs = this.#options.clock.nowMs();
    const seconds = Math.min(longestStepSeconds, Math.max(0, (nowMs - this.#steppedAtMs) / 1000));
    this.#steppedAtMs = nowMs;
    const happened = this.#body.advance(seconds, this.#agent.memory.locked);
    if (happened) this.#agent.report();
    if (happened === 'arrived') this.#options.onArrived?.(this);
    this.#agent.advance();
  }
}
