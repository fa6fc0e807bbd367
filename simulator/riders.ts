/** Riders that exist only here, but use the public API and the near field as people do. */
import { v7 } from 'uuid';
import type { Clock } from '../server/infra/clock/port.ts';
import type { Booking, Quote } from '../server/services/booking/contract.ts';
import type { Vehicle } from '../server/services/vehicle/contract.ts';
import type { Position } from '../server/wire/schemas.ts';
import { type Api, Refused } from './api.ts';
import { pick, type Random, waitingTime } from './randomness.ts';
import { wait } from './waiting.ts';

export interface Pace {
  /** Between two rides of one rider, on average. */
  betweenRidesMs: number;
  /** From the booking to the vehicle. */
  walkMs: number;
}

export const usualPace: Pace = { betweenRidesMs: 5 * 60_000, walkMs: 20_000 };

export interface RiderOptions {
  api: Api;
  nearFieldUrl: string;
  random: Random;
  clock: Clock;
  pace?: Pace;
  signal: AbortSignal;
  /** Where a rider may want to start. */
  somewhere(): Position | undefined;
  /** This booking is ours, from before the vehicle opens. */
  claim(bookingId: string): void;
  release(bookingId: string): void;
  /** Steers the vehicle to a bay. Resolves on arrival. */
  ride(vehicleId: string): Promise<void>;
  onTrouble(error: unknown): void;
}

const cancels = 0.04;
const pauses = 0.06;
const rates = 0.5;
const searchRadiusMetres = 1_000;
const shortPauseMs = 15_000;
/** What a city does every day: somebody was faster, or the rider may not. Not worth a word. */
const expected = new Set(['vehicle-taken', 'vehicle-unavailable', 'battery-too-low', 'active-booking-exists', 'licence-required', 'too-young', 'identity-not-verified', 'quote-expired', 'too-many-requests', 'not-found', 'wrong-state']);

/** The smallest photo there is: a white JPEG pixel. */
const photo = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN//Z',
  'base64',
);

export class SimulatedRider {
  readonly #options: RiderOptions;
  #running: Promise<void> = Promise.resolve();
  ridesFinished = 0;

  constructor(options: RiderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#live();
  }

  /** Resolves when the rider has noticed that the city stops. */
  stopped = (): Promise<void> => this.#running;

  async #live(): Promise<void> {
    const { signal, random, pace = usualPace, onTrouble } = this.#options;
    await wait(waitingTime(random, pace.betweenRidesMs / 2), this.#options.signal);
    while (!signal.aborted) {
      try {
        await this.#finishOpenRide();
        await this.#takeRide();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refused && expected.has(error.code))) onTrouble(error);
      }
      await wait(waitingTime(random, pace.betweenRidesMs), this.#options.signal);
    }
  }

  #call<T>(path: string, body?: unknown): Promise<T> {
    const { api, signal } = this.#options;
    return api.call<T>(path, body === undefined ? { signal } : { method: 'POST', body, idempotencyKey: v7(), signal });
  }

  /** After a restart: what was begun is brought to its end. */
  async #finishOpenRide(): Promise<void> {
    const { items } = await this.#call<{ items: Booking[] }>('/v1/bookings?limit=10');
    for (const booking of items) {
      if (booking.state === 'riding' || booking.state === 'paused') {
        this.#options.claim(booking.id);
        await this.#rideAndReturn(booking).finally(() => this.#options.release(booking.id));
      } else if (booking.state === 'reserved' || booking.state === 'confirmed') {
        await this.#call(`/v1/bookings/${booking.id}/cancel`, {});
      }
    }
  }

  async #takeRide(): Promise<void> {
    const { random, somewhere, claim, pace = usualPace, signal } = this.#options;
    const place = somewhere();
    if (!place || signal.aborted) return;
    const { items } = await this.#call<{ items: Vehicle[] }>(`/v1/vehicles?lat=${place.lat}&lon=${place.lon}&radiusMetres=${searchRadiusMetres}&limit=8`);
    const vehicle = pick(random, items);
    if (!vehicle) return;
    const fixedTime = vehicle.type === 'car' || vehicle.type === 'van';
    const planned = { vehicleId: vehicle.id, ...(fixedTime && { minutes: 60 }) };
    const quote = await this.#call<Quote>('/v1/quotes', planned);
    const booking = await this.#call<Booking>('/v1/bookings', { ...planned, quoteId: quote.id });
    claim(booking.id);
    await wait(pace.walkMs * (0.5 + random()), this.#options.signal);
    if (signal.aborted) return;
    try {
      if (random() < cancels) {
        await this.#call(`/v1/bookings/${booking.id}/cancel`, {});
        return;
      }
      await this.#unlock(booking);
      await this.#rideAndReturn(booking);
    } finally {
      this.#options.release(booking.id);
    }
  }

  async #unlock(booking: Booking): Promise<void> {
    const { nearFieldUrl, signal } = this.#options;
    const { token } = await this.#call<{ token: string }>(`/v1/bookings/${booking.id}/unlock`, {});
    const response = await fetch(`${nearFieldUrl}/near-field/vehicles/${encodeURIComponent(booking.vehicleId)}/token`, { method: 'POST', body: JSON.stringify({ token }), signal });
    if (!response.ok) throw new Error(`vehicle ${booking.vehicleId} did not open: ${await response.text()}`);
    for (let tries = 0; tries < 50 && !signal.aborted; tries++) {
      const { state } = await this.#call<Booking>(`/v1/bookings/${booking.id}`);
      if (state === 'riding') return;
      await wait(200, this.#options.signal);
    }
    throw new Error(`booking ${booking.id} is no ride after its vehicle was opened`);
  }

  async #rideAndReturn(booking: Booking): Promise<void> {
    const { random, ride, signal } = this.#options;
    if (booking.state === 'paused') await this.#call(`/v1/bookings/${booking.id}/resume`, {});
    await ride(booking.vehicleId);
    if (signal.aborted) return;
    if (random() < pauses) {
      await this.#call(`/v1/bookings/${booking.id}/pause`, {});
      await wait(shortPauseMs, this.#options.signal);
      if (signal.aborted) return;
      await this.#call(`/v1/bookings/${booking.id}/resume`, {});
    }
    const form = new FormData();
    form.append('photo', new Blob([photo], { type: 'image/jpeg' }), 'parked.jpg');
    const { id: photoId } = await this.#options.api.call<{ id: string }>('/v1/photos', { method: 'POST', form, idempotencyKey: v7(), signal });
    await this.#call(`/v1/bookings/${booking.id}/end`, { photoIds: [photoId] });
    this.ridesFinished += 1;
    if (random() < rates) await this.#call(`/v1/bookings/${booking.id}/feedback`, { rating: 3 + Math.floor(random() * 3) });
  }
}
