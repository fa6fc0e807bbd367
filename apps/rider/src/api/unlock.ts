/** Opening a vehicle: by the radio link when the phone stands beside it, over the network otherwise. */
import type { Api } from './client';
import type { Booking } from './contract';
import { Failure } from './failure';

export type UnlockStage = 'near' | 'far';

/** The world around, so that tests bring their own. */
export interface UnlockWorld {
  api: Pick<Api, 'call'>;
  /** Hands a token to the vehicle. @returns whether it took it */
  present: (address: string, token: string) => Promise<boolean>;
  wait: (milliseconds: number) => Promise<void>;
  onStage: (stage: UnlockStage) => void;
}

/** The vehicle has told the platform that it is open when the booking rides; usually within a second. */
const askEveryMs = 700;
const askTimes = 10;

async function waitUntilRiding({ api, wait }: UnlockWorld, bookingId: string): Promise<Booking | undefined> {
  for (let asked = 0; asked < askTimes; asked++) {
    await wait(askEveryMs);
    const booking = await api.call('getBooking', { params: { bookingId } });
    if (booking.state !== 'confirmed') return booking;
  }
  return undefined;
}

/**
 * @returns the booking, riding
 * @throws Failure when neither way opened the vehicle
 */
export async function unlockVehicle(bookingId: string, world: UnlockWorld): Promise<Booking> {
  const { api, present, onStage } = world;
  onStage('near');
  const { token, nearFieldUrl } = await api.call('unlock', { params: { bookingId } });
  if (nearFieldUrl && (await present(nearFieldUrl, token))) {
    const booking = await waitUntilRiding(world, bookingId);
    if (booking) return booking;
  }
  onStage('far');
  try {
    return await api.call('unlockRemotely', { params: { bookingId } });
  } catch (error) {
    // The radio link may have opened it while the network was still asking.
    const booking = error instanceof Failure && error.code === 'wrong-state' ? await api.call('getBooking', { params: { bookingId } }) : undefined;
    if (booking?.state === 'riding') return booking;
    throw error;
  }
}

/** The radio link of the real world: the stand-in that the platform names, for a phone without one. */
export async function presentByHttp(address: string, token: string): Promise<boolean> {
  try {
    const response = await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }), credentials: 'omit' });
    return response.ok;
  } catch {
    // Out of reach is an ordinary answer of a radio link; the network is the other way.
    return false;
  }
}
