/** A city that lives: many vehicles and riders in one process, driven by one ticker. */
import { join } from 'node:path';
import type { Rhythm } from '../edge/agent/agent.ts';
import { loadModels, type Models, usableZones } from '../edge/agent/models.ts';
import { certificateRequest, provisionByClaim, storedIdentities } from '../edge/agent/provisioning.ts';
import type { Zones } from '../edge/detection/geofence.ts';
import type { AgentStorage, Identity } from '../edge/storage/port.ts';
import type { TrustedKeys } from '../edge/update/trust.ts';
import type { Clock } from '../server/infra/clock/port.ts';
import type { Tracer } from '../server/infra/observability/port.ts';
import type { Bay, Zone } from '../server/services/vehicle/contract.ts';
import { type Position, VehicleType } from '../server/wire/schemas.ts';
import { Api, Refused } from './api.ts';
import { type NearField, openNearField } from './near-field.ts';
import { metresBetween } from './physics.ts';
import { pick, randomFor, waitingTime } from './randomness.ts';
import { type Pace, SimulatedRider } from './riders.ts';
import { SimulatedFirmware } from './firmware.ts';
import { type FleetStorage, openFleetStorage } from './storage.ts';
import { SimulatedVehicle } from './vehicle.ts';
import { wait } from './waiting.ts';

export interface CityVehicle {
  id: string;
  type: VehicleType;
  /** Where it stands when it wakes for the first time. */
  position: Position;
  batteryPercent: number;
  /** How far it goes with that battery; that of its type without it. */
  rangeMetres?: number;
}

/** What the platform answers to a certificate signing request. */
export interface IssuedCertificate {
  certificatePem: string;
  authorityPem: string;
  brokerUrl: string;
  unlockKeys: unknown;
}

export interface CityOptions {
  /** The public API. */
  apiUrl: string;
  vehicles: readonly CityVehicle[];
  /** A certificate, asked for once for each vehicle and kept; again when the broker refuses it. */
  provision(vehicleId: string, csrPem: string): Promise<IssuedCertificate>;
  /** A claim, by which the first few vehicles ask for their certificate themselves, over MQTT, as they do without a factory. */
  claim?(csrPem: string): Promise<Omit<IssuedCertificate, 'unlockKeys'>>;
  /** Keys of update bundles that vehicles are built with; without, they take no updates. */
  bundleKeys?: TrustedKeys;
  /** What vehicles remember. */
  folder: string;
  /** The same seed, the same city. */
  seed: number;
  clock: Clock;
  /** How many riders, and how they get their tokens. */
  riders?: { count: number; token(email: string): Promise<string>; pace?: Pace };
  nearField?: { host?: string; port?: number };
  rhythm?: Rhythm;
  /** Vehicles that a person has opened stand still, instead of riding by themselves to the next bay. */
  standsStill?: boolean;
  /** Records what agents do with commands. */
  tracer?: Tracer;
  /** Told what went wrong; the city goes on. */
  onTrouble?: (trouble: string, error: unknown) => void;
}

export interface RunningCity {
  nearFieldUrl: string;
  vehicle(id: string): SimulatedVehicle | undefined;
  /** Wakes more vehicles, those of a city that was imported meanwhile; who is awake is left alone. Resolves when they were connected once. */
  add(vehicles: readonly CityVehicle[]): Promise<void>;
  /** Resolves when every vehicle was connected once. */
  connected(): Promise<void>;
  /** Rides that simulated riders have finished. */
  ridesFinished(): number;
  close(): Promise<void>;
}

const provisionedByClaim = 5;
const tickMs = 250;
/** Each vehicle moves once in so many ticks. */
const strides = 4;
const provisionedAtOnce = 8;
/** A person needs a moment to get on; simulated riders have said by then where they go. */
const humanStartsAfterMs = 10_000;
/** A human's ride goes to the next bay that is at least so far. */
const shortestHumanRideMetres = 150;
const swapBelowPercent = 15;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const swapMeanMs = 30 * 60_000;

class City implements RunningCity {
  readonly #options: CityOptions;
  readonly #storage: FleetStorage;
  /** Read once, shared by all vehicles. */
  readonly #models: Promise<Models>;
  readonly #known = new Set<string>();
  readonly #vehicles = new Map<string, SimulatedVehicle>();
  readonly #order: SimulatedVehicle[] = [];
  readonly #swapAtMs = new Map<SimulatedVehicle, number>();
  readonly #stopping = new AbortController();
  /** Bookings of our own riders. */
  readonly #ours = new Set<string>();
  readonly #arrivals = new Map<SimulatedVehicle, () => void>();
  readonly #bayById = new Map<string, Bay>();
  readonly #zoneById = new Map<string, Zone>();
  /** Of all cities so far, shared by the vehicles that wake from now on. */
  readonly #zones = new Map<VehicleType, Zones | undefined>();
  #claim: Promise<Omit<Identity, 'vehicleId'>> | undefined;
  #claimsLeft = provisionedByClaim;
  #bays: Bay[] = [];
  #riders: SimulatedRider[] = [];
  #ticker: NodeJS.Timeout | undefined;
  #tick = 0;
  #waking: Promise<void> = Promise.resolve();
  #nearField: NearField | undefined;

  constructor(options: CityOptions) {
    this.#options = options;
    this.#storage = openFleetStorage(join(options.folder, 'vehicles'));
    this.#models = loadModels((trouble, error) => options.onTrouble?.(trouble, error));
  }

  get nearFieldUrl(): string {
    return this.#nearField?.url ?? '';
  }

  vehicle = (id: string): SimulatedVehicle | undefined => this.#vehicles.get(id);
  async connected(): Promise<void> {
    await this.#waking;
  }

  ridesFinished = (): number => this.#riders.reduce((sum, { ridesFinished }) => sum + ridesFinished, 0);

  async start(): Promise<void> {
    const { vehicles, nearField } = this.#options;
    this.#nearField = await openNearField(this.vehicle, nearField);
    // In the background: what goes wrong is tried again.
    this.add(vehicles).catch((error: unknown) => this.#options.onTrouble?.('the vehicles cannot be woken', error));
    this.#ticker = setInterval(() => this.#advance(), tickMs);
    this.#startRiders();
  }

  async add(vehicles: readonly CityVehicle[]): Promise<void> {
    const fresh = vehicles.filter(({ id }) => !this.#known.has(id));
    if (fresh.length === 0) return;
    for (const { id } of fresh) this.#known.add(id);
    const waking = this.#learnPlaces(fresh).then(() => this.#wakeAll(fresh));
    this.#waking = Promise.all([this.#waking, waking]).then(() => undefined);
    await waking;
  }

  /** Tries until it works or the city stops. */
  async #persist<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#stopping;
    for (let pauseMs = firstRetryMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestRetryMs)) {
      try {
        return await unlessStopped(work(), signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        this.#options.onTrouble?.(what, error);
        const asked = error instanceof Refused ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
        await wait(Math.max(pauseMs, asked), signal);
      }
    }
    return undefined;
  }

  async #learnPlaces(vehicles: readonly CityVehicle[]): Promise<void> {
    const api = new Api(this.#options.apiUrl);
    const bays = await this.#persist('the bays cannot be read', () => readAround<Bay>(api, 'bays', vehicles));
    for (const bay of bays ?? []) this.#bayById.set(bay.id, bay);
    this.#bays = [...this.#bayById.values()];
    const zones = await this.#persist('the zones cannot be read', () => readAround<Zone>(api, 'zones', vehicles));
    for (const zone of zones ?? []) this.#zoneById.set(zone.id, zone);
    for (const type of VehicleType.options) this.#zones.set(type, usableZones((trouble, error) => this.#options.onTrouble?.(trouble, error), zonesFileOf([...this.#zoneById.values()], type)));
  }

  async #wakeAll(vehicles: readonly CityVehicle[]): Promise<void> {
    const left = [...vehicles];
    const wakeSome = async () => {
      for (let next = left.shift(); next && !this.#stopping.signal.aborted; next = left.shift()) await this.#wake(next);
    };
    await Promise.all(Array.from({ length: provisionedAtOnce }, wakeSome));
  }

  /** As a vehicle does that comes from the factory with a claim alone. @returns undefined when that is not to be, or not possible */
  async #provisionByClaim(id: string, storage: AgentStorage): Promise<Identity | undefined> {
    const { claim, onTrouble } = this.#options;
    if (!claim || this.#claimsLeft <= 0) return undefined;
    this.#claimsLeft -= 1;
    try {
      this.#claim ??= certificateRequest('claim').then(async ({ csrPem, privateKeyPem }) => {
        const { certificatePem, authorityPem, brokerUrl } = await claim(csrPem);
        return { certificatePem, authorityPem, brokerUrl, privateKeyPem };
      });
      return await unlessStopped(provisionByClaim({ ...(await this.#claim), vehicleId: id }, storage), this.#stopping.signal);
    } catch (error) {
      onTrouble?.(`no certificate by claim for ${id}`, error);
      return undefined;
    }
  }

  /** A new key, and the certificate for it. @returns undefined when the city stops before */
  async #provision(id: string, storage: AgentStorage): Promise<Identity | undefined> {
    const { provision } = this.#options;
    return this.#persist(`no certificate for ${id}`, async () => {
      const { csrPem, privateKeyPem } = await certificateRequest(id);
      const { certificatePem, authorityPem, brokerUrl, unlockKeys } = await provision(id, csrPem);
      const identity: Identity = { vehicleId: id, brokerUrl, certificatePem, privateKeyPem, authorityPem };
      storage.saveDocument('identity', JSON.stringify(identity));
      storage.saveDocument('unlock-keys', JSON.stringify(unlockKeys));
      return identity;
    });
  }

  async #wake({ id, type, position, batteryPercent, rangeMetres }: CityVehicle): Promise<void> {
    const { seed, clock, rhythm, tracer, bundleKeys, onTrouble } = this.#options;
    const models = await this.#models;
    const storage = this.#storage.of(id);
    const [kept] = storedIdentities(storage);
    const identity = kept ?? (await this.#provisionByClaim(id, storage)) ?? (await this.#provision(id, storage));
    if (!identity) return;
    const firmware = bundleKeys && new SimulatedFirmware(bundleKeys);
    const running = await firmware?.start();
    let renewing = false;
    const vehicle = new SimulatedVehicle({
      id, type, position, batteryPercent, storage, identity, clock, random: randomFor(seed, id),
      ...(rangeMetres !== undefined && batteryPercent > 0 && { rangeMetres: (rangeMetres / batteryPercent) * 100 }), ...(rhythm && { rhythm }), models, zones: this.#zones.get(type),
      ...(firmware && running && { firmware, running }), ...(tracer && { tracer }),
      onUnlocked: (opened, bookingId) => this.#unlocked(opened, bookingId),
      onArrived: (arrived) => this.#arrived(arrived),
      onRefusedByBroker: (refused) => {
        if (renewing || this.#stopping.signal.aborted) return;
        renewing = true;
        void this.#provision(id, storage).then((renewed) => {
          renewing = false;
          if (!renewed) return;
          refused.disconnect();
          refused.connect(renewed);
        });
      },
      onTrouble: (trouble, error) => onTrouble?.(`${id}: ${trouble}`, error),
    });
    this.#vehicles.set(id, vehicle);
    this.#order.push(vehicle);
    vehicle.connect();
    await untilConnected(vehicle, this.#stopping.signal);
  }

  #advance(): void {
    const stride = this.#tick++ % strides;
    for (let index = stride; index < this.#order.length; index += strides) {
      const vehicle = this.#order[index];
      if (!vehicle) continue;
      vehicle.advance();
      this.#keepCharged(vehicle);
    }
  }

  /** Staff swap the batteries of two-wheelers that are nearly empty, after a while. */
  #keepCharged(vehicle: SimulatedVehicle): void {
    if (vehicle.type === 'car' || vehicle.type === 'van' || vehicle.charge > swapBelowPercent || !vehicle.isLocked) return;
    const nowMs = this.#options.clock.nowMs();
    const dueAtMs = this.#swapAtMs.get(vehicle);
    if (dueAtMs === undefined) {
      this.#swapAtMs.set(vehicle, nowMs + waitingTime(randomFor(this.#options.seed, `${vehicle.id} swap ${vehicle.state.sequence}`), swapMeanMs));
    } else if (nowMs >= dueAtMs) {
      this.#swapAtMs.delete(vehicle);
      vehicle.swapBattery();
    }
  }

  /** A person's vehicle rides by itself to the next bay and waits there, so that a demo needs no wheels. */
  #unlocked(vehicle: SimulatedVehicle, bookingId: string): void {
    if (this.#ours.has(bookingId) || this.#options.standsStill) return;
    const { position } = vehicle.state;
    const [next] = this.#baysFor(vehicle.type).map((bay) => ({ bay, metres: metresBetween(position, bay.position) })).filter(({ metres }) => metres >= shortestHumanRideMetres).sort((a, b) => a.metres - b.metres);
    if (next) vehicle.rideTo(next.bay.position, humanStartsAfterMs);
  }

  #arrived(vehicle: SimulatedVehicle): void {
    const { position } = vehicle.state;
    const charger = this.#bays.some((bay) => bay.chargers > 0 && bay.vehicleTypes.includes(vehicle.type) && metresBetween(position, bay.position) <= bay.radiusMetres);
    if (charger && (vehicle.type === 'car' || vehicle.type === 'van')) vehicle.plugIn();
    this.#arrivals.get(vehicle)?.();
  }

  #baysFor = (type: VehicleType): Bay[] => this.#bays.filter((bay) => bay.vehicleTypes.includes(type) && (bay.chargers > 0 || (type !== 'car' && type !== 'van')));

  #startRiders(): void {
    const { riders, apiUrl, seed, vehicles, onTrouble } = this.#options;
    if (!riders) return;
    this.#riders = Array.from({ length: riders.count }, (_, index) => {
      const email = `rider-${index + 1}@city.example`;
      const random = randomFor(seed, email);
      return new SimulatedRider({
        api: new Api(apiUrl, () => riders.token(email)), nearFieldUrl: this.nearFieldUrl, random, clock: this.#options.clock, ...(riders.pace && { pace: riders.pace }), signal: this.#stopping.signal,
        somewhere: () => (pick(random, this.#bays) ?? pick(random, vehicles))?.position,
        claim: (bookingId) => this.#ours.add(bookingId),
        release: (bookingId) => this.#ours.delete(bookingId),
        ride: (vehicleId) => this.#rideSomewhere(vehicleId, random),
        onTrouble: (error) => onTrouble?.(email, error),
      });
    });
    for (const rider of this.#riders) rider.start();
  }

  /** Steers to another bay, not too far. Resolves on arrival, or when the city stops. */
  async #rideSomewhere(vehicleId: string, random: () => number): Promise<void> {
    const vehicle = this.vehicle(vehicleId);
    if (!vehicle) return;
    const { position } = vehicle.state;
    const inReach = this.#baysFor(vehicle.type).filter((bay) => {
      const metres = metresBetween(position, bay.position);
      return metres > 200 && metres < (vehicle.type === 'car' || vehicle.type === 'van' ? 8_000 : 2_500);
    });
    const bay = pick(random, inReach);
    if (!bay) return;
    const { signal } = this.#stopping;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#arrivals.delete(vehicle);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#arrivals.set(vehicle, done);
      signal.addEventListener('abort', done, { once: true });
      vehicle.rideTo(bay.position);
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#ticker);
    await Promise.allSettled([this.#waking, ...this.#riders.map((rider) => rider.stopped())]);
    for (const vehicle of this.#order) vehicle.close();
    await this.#nearField?.close();
    await this.#storage.close();
  }
}

/** What lies where the vehicles are. */
async function readAround<Place>(api: Api, what: 'bays' | 'zones', vehicles: readonly CityVehicle[]): Promise<Place[]> {
  const margin = 0.02;
  const edges = vehicles.reduce(
    ([west, south, east, north], { position: { lat, lon } }) => [Math.min(west, lon), Math.min(south, lat), Math.max(east, lon), Math.max(north, lat)] as const,
    [180, 90, -180, -90] as readonly [number, number, number, number],
  );
  const [west, south, east, north] = edges;
  const { items } = await api.call<{ items: Place[] }>(`/v1/${what}?bbox=${[west - margin, south - margin, east + margin, north + margin].map((degrees) => degrees.toFixed(5)).join(',')}`);
  return items;
}

/** As a vehicle gets them: prices are none of its business. @returns undefined when there are none for it */
function zonesFileOf(zones: readonly Zone[], type: VehicleType): string | undefined {
  const features = zones.filter(({ kind, vehicleTypes }) => kind !== 'pricing' && vehicleTypes.includes(type)).map(({ id, polygons }) => ({ type: 'Feature', id, properties: {}, geometry: { type: 'MultiPolygon', coordinates: polygons } }));
  return features.length > 0 ? JSON.stringify({ type: 'FeatureCollection', features }) : undefined;
}

/** Gives up after a while: the vehicle goes on trying by itself. */
async function untilConnected(vehicle: SimulatedVehicle, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < 5_000 && !vehicle.isConnected && !signal.aborted; waitedMs += 10) await new Promise((resume) => setTimeout(resume, 10));
}

/** @throws Error when the city stops before: nobody waits for an answer that is no longer needed */
function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onStop = () => reject(new Error('the city stops'));
    signal.addEventListener('abort', onStop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onStop));
  });
}

/** Wakes the city; vehicles connect in the background. */
export async function startCity(options: CityOptions): Promise<RunningCity> {
  const city = new City(options);
  try {
    await city.start();
  } catch (error) {
    await city.close();
    throw error;
  }
  return city;
}
