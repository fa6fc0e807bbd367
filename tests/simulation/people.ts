/** Riders and staff of a simulated run: each call ends in a word for the log, whatever becomes of it. */
import type { Caller } from '../../server/wire/contract.ts';
import { Problem } from '../../server/wire/problem.ts';
import { bookingContract, type Booking } from '../../server/services/booking/contract.ts';
import { paymentContract } from '../../server/services/payment/contract.ts';
import { vehicleContract } from '../../server/services/vehicle/contract.ts';
import { v7 } from 'uuid';
import type { KeptAnswer } from '../invariants/evidence.ts';
import { tinyJpeg } from '../journeys/program.ts';
import type { SimulatedWorld } from './world.ts';

interface Request {
  key: string;
  vehicleId: string;
  bookingId: string | undefined;
}

/** @returns what was answered, in a word: `ok`, the code of the refusal, or the name of the error */
export async function outcomeOf(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Problem ? error.code : (error as Error).name;
  }
}

export class SimulatedRider {
  readonly caller: Caller;
  readonly #world: SimulatedWorld;
  readonly requests: Request[] = [];
  readonly told: KeptAnswer[] = [];

  constructor(world: SimulatedWorld) {
    this.#world = world;
    this.caller = { subject: v7(), roles: ['rider'], scopes: ['bookings', 'payments'], clientId: 'rider-app' };
  }

  get #booking() {
    return this.#world.process.client(bookingContract);
  }

  async addCard(): Promise<void> {
    await this.#world.process.client(paymentContract).addPaymentMethod({ body: { provider: 'stripe', token: 'pm_card_visa' } }, { caller: this.caller, idempotencyKey: v7() });
  }

  /** A booking that this rider knows of. */
  get current(): string | undefined {
    return this.requests.findLast(({ bookingId }) => bookingId !== undefined)?.bookingId;
  }

  async book(vehicleId: string): Promise<string> {
    const request: Request = { key: v7(), vehicleId, bookingId: undefined };
    this.requests.push(request);
    return this.ask(request);
  }

  /** Sends a request, or the same once more. */
  async ask(request: Request): Promise<string> {
    return outcomeOf(async () => {
      const booking = await this.#booking.createBooking({ body: { vehicleId: request.vehicleId } }, { caller: this.caller, idempotencyKey: request.key });
      if (request.bookingId === undefined) this.told.push({ key: request.key, status: 201, bookingId: booking.id, vehicleId: booking.vehicleId });
      request.bookingId = booking.id;
      return `ok ${booking.id} ${booking.state}`;
    });
  }

  /** Every request that was answered, once more. */
  async repeatAll(): Promise<KeptAnswer[]> {
    const answers: KeptAnswer[] = [];
    for (const { key, vehicleId, bookingId } of this.requests) {
      if (bookingId === undefined) continue;
      try {
        const again = await this.#booking.createBooking({ body: { vehicleId } }, { caller: this.caller, idempotencyKey: key });
        answers.push({ key, status: 201, bookingId: again.id, vehicleId: again.vehicleId });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        answers.push({ key, status: error.status, bookingId: null, vehicleId: null });
      }
    }
    return answers;
  }

  async stateOf(bookingId: string): Promise<Booking> {
    return this.#booking.getBooking({ params: { bookingId } }, { caller: this.caller });
  }

  async do(operation: 'cancel' | 'pause' | 'resume' | 'unlockRemotely' | 'confirmPayment', bookingId: string): Promise<string> {
    return outcomeOf(async () => `ok ${(await this.#booking[operation]({ params: { bookingId } }, { caller: this.caller, signal: AbortSignal.abort() })).state}`);
  }

  async openByToken(bookingId: string): Promise<string> {
    return outcomeOf(async () => {
      const { token } = await this.#booking.unlock({ params: { bookingId } }, { caller: this.caller });
      const { vehicleId } = this.requests.find((request) => request.bookingId === bookingId) ?? { vehicleId: '' };
      return this.#world.street.presentToken(vehicleId, token);
    });
  }

  async end(bookingId: string): Promise<string> {
    return outcomeOf(async () => {
      const photo = await this.#world.process.served('booking')?.dispatch('uploadPhoto', { uploads: [{ fileName: 'parked.jpg', contentType: 'image/jpeg', bytes: tinyJpeg }] }, { caller: this.caller, idempotencyKey: v7() });
      const { id } = (photo as { json: { id: string } }).json;
      return `ok ${(await this.#booking.end({ params: { bookingId }, body: { photoIds: [id] } }, { caller: this.caller })).state}`;
    });
  }

  /** Brings to its end what is still open. */
  async finish(): Promise<void> {
    for (const request of this.requests) {
      if (request.bookingId === undefined) await this.ask(request);
      if (request.bookingId === undefined) continue;
      const { state } = await this.stateOf(request.bookingId);
      if (state === 'riding' || state === 'paused') await this.end(request.bookingId);
      else if (state === 'reserved' || state === 'confirmed') await this.do('cancel', request.bookingId);
    }
  }
}

const staff: Caller = { subject: '0198c5a0-0000-7000-8000-00000000000a', roles: ['staff'], scopes: ['payments:manage', 'vehicles:manage'], clientId: 'desk' };

export class SimulatedStaff {
  readonly #world: SimulatedWorld;
  readonly #refunds = new Map<string, string>();

  constructor(world: SimulatedWorld) {
    this.#world = world;
  }

  /** Gives some money back; asked again, under the same key. */
  async refund(bookingId: string): Promise<string> {
    const key = this.#refunds.get(bookingId) ?? v7();
    this.#refunds.set(bookingId, key);
    return outcomeOf(async () => {
      const payment = await this.#world.process.client(paymentContract).refund({ params: { bookingId }, body: { amountMinor: 50, reason: 'Goodwill' } }, { caller: staff, idempotencyKey: key });
      return `ok ${payment.refundedMinor}`;
    });
  }

  async command(vehicleId: string, kind: 'disable' | 'enable'): Promise<string> {
    return outcomeOf(async () => `ok ${(await this.#world.process.client(vehicleContract).commandVehicle({ params: { vehicleId }, body: { kind } }, { caller: staff, idempotencyKey: v7(), signal: AbortSignal.abort() })).state}`);
  }
}
