/** Riders who never put up with an unclear answer: they ask again with the same key until they know, and remember what they were told. */
import { v7 } from 'uuid';
import { Api, Refused } from '../../simulator/api.ts';
import { pick, type Random, waitingTime } from '../../simulator/randomness.ts';
import { wait } from '../../simulator/waiting.ts';
import type { Booking } from '../../server/services/booking/contract.ts';
import type { Vehicle } from '../../server/services/vehicle/contract.ts';
import type { KeptAnswer, SeenRide } from '../invariants/evidence.ts';
import { tinyJpeg } from '../journeys/program.ts';

/** What riders saw, for the invariants. */
export interface Memory {
  told: { answer: KeptAnswer; riderId: string; body: unknown; repeat(): Promise<KeptAnswer> }[];
  rides: SeenRide[];
}

export interface RiderOptions {
  name: string;
  url: string;
  random: Random;
  memory: Memory;
  signal: AbortSignal;
  /** Between two rides, on average. */
  pauseMs: number;
  /** How long a ride lasts at least, on average. */
  rideMs: number;
}

/** Where the demo's city has its middle. */
const search = '/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&minBattery=30&limit=200';
const retryMs = 150;
const callLimitMs = 15_000;
/** An answer that says nothing about the request: the same may be sent again. */
function isUnclear(error: unknown): boolean {
  if (!(error instanceof Refused)) return true;
  // Nothing was held, and nothing will be: this booking has failed.
  if (error.code === 'payment-provider-down') return false;
  return error.status >= 500 || error.status === 429 || error.status === 408 || error.code === 'payment-unresolved';
}
const over: readonly string[] = ['ended', 'charged', 'cancelled', 'expired', 'failed'];
const cancels = 0.1;
const opensRemotely = 0.3;
const pausesOnTheWay = 0.2;

export class Rider {
  readonly #options: RiderOptions;
  readonly #api: Api;
  #riderId = '';
  /** Rides that were begun and charged. */
  ridesDone = 0;
  #last: unknown;

  constructor(options: RiderOptions) {
    this.#options = options;
    this.#api = new Api(options.url, () => this.#freshToken());
  }

  /** The last trouble, for a report. */
  get trouble(): string {
    return this.#last instanceof Error ? this.#last.message : '';
  }

  async #freshToken(): Promise<string> {
    const response = await fetch(`${this.#options.url}/demo/token`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: `${this.#options.name}@chaos.example` }), signal: AbortSignal.timeout(callLimitMs),
    });
    if (!response.ok) throw new Error(`no token: ${response.status}`);
    const { token, riderId } = (await response.json()) as { token: string; riderId: string };
    this.#riderId = riderId;
    return token;
  }

  /** Asks until there is a clear answer. @throws Refused when that is a refusal; Error when the run ends before */
  async #until<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        this.#last = error;
        if (signal.aborted || !isUnclear(error)) throw error;
        await wait(retryMs, signal);
      }
    }
  }

  /** @param key the same for every try, so that it has one effect */
  #call<T>(path: string, body?: unknown, key = v7()): Promise<T> {
    return this.#until(() => this.#api.call<T>(path, { ...(body !== undefined && { method: 'POST', body, idempotencyKey: key }), signal: AbortSignal.timeout(callLimitMs) }));
  }

  /** Rides until `isResting` says that it is enough; finishes what was begun. */
  async live(isResting: () => boolean): Promise<void> {
    const { random, signal, pauseMs } = this.#options;
    while (!signal.aborted && !isResting()) {
      try {
        await this.ride();
      } catch (error) {
        this.#last = error;
      }
      await wait(Math.min(2_000, waitingTime(random, pauseMs)), signal);
    }
    await this.finishWhatIsOpen();
  }

  /** One journey, from search to receipt. @returns whether it ended with a charged ride */
  async ride(): Promise<boolean> {
    const { random } = this.#options;
    await this.finishWhatIsOpen();
    const { items } = await this.#call<{ items: Vehicle[] }>(search);
    const vehicle = pick(random, items.filter(({ type }) => type === 'scooter' || type === 'ebike'));
    if (!vehicle) return false;
    const booking = await this.#book(vehicle.id);
    if (booking.state === 'reserved' && !(await this.#isConfirmed(booking.id))) return false;
    if (random() < cancels) {
      await this.#cancel(booking.id);
      return false;
    }
    await this.#unlock(booking);
    return this.#returnIt(booking);
  }

  async #book(vehicleId: string): Promise<Booking> {
    const key = v7();
    const body = { vehicleId };
    const ask = () => this.#api.call<Booking>('/v1/bookings', { method: 'POST', body, idempotencyKey: key, signal: AbortSignal.timeout(callLimitMs) });
    const booking = await this.#until(ask);
    const kept = (status: number, id: string | null, ofVehicle: string | null): KeptAnswer => ({ key, status, bookingId: id, vehicleId: ofVehicle });
    this.#options.memory.told.push({
      answer: kept(201, booking.id, booking.vehicleId), riderId: this.#riderId, body,
      repeat: () => this.#until(async () => {
        try {
          const again = await ask();
          return kept(201, again.id, again.vehicleId);
        } catch (error) {
          if (error instanceof Refused && !isUnclear(error)) return kept(error.status, null, null);
          throw error;
        }
      }),
    });
    return booking;
  }

  /** A payment that is uncertain is cleared up by itself. */
  async #isConfirmed(bookingId: string): Promise<boolean> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const { state } = await this.#call<Booking>(`/v1/bookings/${bookingId}`);
      if (state !== 'reserved') return state === 'confirmed';
      await wait(retryMs, signal);
    }
    return false;
  }

  /** Tries what the rider has in the hand, and the network, until the vehicle opens or the booking is over. */
  async #unlock(booking: Booking): Promise<void> {
    const { random, signal } = this.#options;
    while (!signal.aborted) {
      const { state } = await this.#call<Booking>(`/v1/bookings/${booking.id}`);
      if (state !== 'confirmed') return;
      if (random() < opensRemotely) {
        await this.#api.call(`/v1/bookings/${booking.id}/unlock-remotely`, { method: 'POST', body: {}, signal: AbortSignal.timeout(callLimitMs) }).catch((error: unknown) => (this.#last = error));
      } else {
        await this.#presentToken(booking.id).catch((error: unknown) => (this.#last = error));
      }
      await wait(retryMs, signal);
    }
  }

  async #presentToken(bookingId: string): Promise<void> {
    const { token, nearFieldUrl } = await this.#call<{ token: string; nearFieldUrl: string }>(`/v1/bookings/${bookingId}/unlock`, {});
    const response = await fetch(nearFieldUrl, { method: 'POST', body: JSON.stringify({ token }), signal: AbortSignal.timeout(callLimitMs) });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the vehicle did not open: ${response.status}`);
  }

  async #returnIt(booking: Booking): Promise<boolean> {
    const { random, signal, memory, rideMs } = this.#options;
    const { state } = await this.#call<Booking>(`/v1/bookings/${booking.id}`);
    if (state !== 'riding' && state !== 'paused') return state === 'charged';
    const fromMs = performance.now();
    await wait(Math.min(5_000, waitingTime(random, rideMs)), signal);
    if (state === 'riding' && random() < pausesOnTheWay) {
      await this.#api.call(`/v1/bookings/${booking.id}/pause`, { method: 'POST', body: {} }).catch((error: unknown) => (this.#last = error));
    }
    const seen: SeenRide = { riderId: this.#riderId, vehicleId: booking.vehicleId, fromMs, toMs: performance.now() };
    memory.rides.push(seen);
    await this.#end(booking.id);
    const charged = await this.#untilOver(booking.id, ['charged']);
    if (charged) this.ridesDone += 1;
    return charged;
  }

  async #end(bookingId: string): Promise<void> {
    const { signal } = this.#options;
    const photoId = await this.#photo();
    while (!signal.aborted) {
      try {
        await this.#call(`/v1/bookings/${bookingId}/end`, { photoIds: [photoId] });
        return;
      } catch (error) {
        this.#last = error;
        if (error instanceof Refused && error.code === 'wrong-state') return;
        if (!(error instanceof Refused) || (error.code !== 'vehicle-moving' && error.code !== 'parking-forbidden')) throw error;
      }
      await wait(500, signal);
    }
  }

  #photo(): Promise<string> {
    const key = v7();
    return this.#until(async () => {
      const form = new FormData();
      form.append('photo', new Blob([tinyJpeg], { type: 'image/jpeg' }), 'parked.jpg');
      const { id } = await this.#api.call<{ id: string }>('/v1/photos', { method: 'POST', form, idempotencyKey: key, signal: AbortSignal.timeout(callLimitMs) });
      return id;
    });
  }

  async #untilOver(bookingId: string, states: readonly string[]): Promise<boolean> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const { state } = await this.#call<Booking>(`/v1/bookings/${bookingId}`);
      if (states.includes(state)) return true;
      if (over.includes(state) && state !== 'ended') return false;
      await wait(retryMs, signal);
    }
    return false;
  }

  async #cancel(bookingId: string): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#call(`/v1/bookings/${bookingId}/cancel`, {});
        return;
      } catch (error) {
        this.#last = error;
        // A token that is still out, or a ride that has begun meanwhile.
        const { state } = await this.#call<Booking>(`/v1/bookings/${bookingId}`);
        if (state !== 'reserved' && state !== 'confirmed') return;
      }
      await wait(500, signal);
    }
  }

  /** Brings every booking of this rider to its end. */
  async finishWhatIsOpen(): Promise<void> {
    const { items } = await this.#call<{ items: Booking[] }>('/v1/bookings?limit=10');
    for (const booking of items.filter(({ state }) => !over.includes(state))) {
      if (booking.state === 'riding' || booking.state === 'paused') await this.#returnIt(booking);
      else {
        await this.#cancel(booking.id);
        await this.#returnIt(booking);
      }
    }
  }
}
