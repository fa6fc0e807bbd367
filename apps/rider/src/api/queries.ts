/** What screens read and change on the platform, kept fresh by TanStack Query. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { v7 } from 'uuid';
import { isOpen, refreshIntervalMs } from '../domain/booking';
import { checkIntervalMs } from '../domain/checks';
import { type Box, growBox } from '../domain/distance';
import { platformOrigin } from '../configuration';
import { useApi, useSession } from '../session/session';
import type { Booking, Reply, Request, RiderCheck } from './contract';
import { Failure } from './failure';
import type { RouteName } from './routes';

/** A connection that broke is worth another try; a refusal is not. */
export function worthRetrying(failures: number, error: unknown): boolean {
  return failures < 2 && error instanceof Failure && (error.code === 'offline' || error.code === 'unavailable' || error.code === 'timeout');
}

/** A vehicle locks when it stands: so often, and so far apart, it is asked again while its rider comes to a stand. */
const lockTries = 12;
const betweenLockTriesMs = 1_500;
const isMoving = (error: unknown): boolean => error instanceof Failure && error.code === 'vehicle-moving';

/** Whether a change is tried again by itself. */
const worthTryingAgain = (failures: number, error: unknown): boolean => worthRetrying(failures, error) || (isMoving(error) && failures < lockTries);
/** Doubles from a second on, unless the vehicle is only waited for. */
const pauseBeforeTryMs = (failures: number, error: unknown): number => (isMoving(error) ? betweenLockTriesMs : Math.min(1_000 * 2 ** failures, 30_000));

export function useCities() {
  const api = useApi();
  return useQuery({ queryKey: ['cities'], queryFn: ({ signal }) => api.call('listCities', {}, { signal }), staleTime: 60_000 });
}

/** Zones and bays of a city: everything within a generous box around its middle. */
export function useCityGround(box: Box | undefined) {
  const api = useApi();
  const bbox = box ? growBox(box, 0).map((degrees) => degrees.toFixed(3)).join(',') : '';
  const zones = useQuery({ queryKey: ['zones', bbox], queryFn: ({ signal }) => api.call('listZones', { query: { bbox } }, { signal }), enabled: bbox !== '', staleTime: 300_000 });
  const bays = useQuery({ queryKey: ['bays', bbox], queryFn: ({ signal }) => api.call('listBays', { query: { bbox } }, { signal }), enabled: bbox !== '', staleTime: 300_000 });
  return { zones: zones.data?.items, bays: bays.data?.items };
}

export function useVehicle(vehicleId: string | undefined, refetchIntervalMs: number | false = 5_000) {
  const api = useApi();
  return useQuery({
    queryKey: ['vehicle', vehicleId],
    queryFn: ({ signal }) => api.call('getVehicle', { params: { vehicleId: vehicleId ?? '' } }, { signal }),
    enabled: vehicleId !== undefined,
    refetchInterval: refetchIntervalMs,
  });
}

export function useProfile() {
  const { api, state } = useSession();
  return useQuery({ queryKey: ['profile'], queryFn: ({ signal }) => api.call('getProfile', {}, { signal }), enabled: state === 'signed-in', staleTime: 60_000 });
}

export function usePaymentMethods() {
  const { api, state } = useSession();
  return useQuery({ queryKey: ['payment-methods'], queryFn: ({ signal }) => api.call('listPaymentMethods', {}, { signal }), enabled: state === 'signed-in' });
}

export function useBookings() {
  const { api, state } = useSession();
  return useQuery({
    queryKey: ['bookings'],
    queryFn: ({ signal }) => api.call('listBookings', { query: { limit: 50 } }, { signal }),
    enabled: state === 'signed-in',
    refetchInterval: 15_000,
  });
}

/** The bookings that still need the rider, newest first. */
export function useOpenBookings(): readonly Booking[] {
  return (useBookings().data?.items ?? []).filter(isOpen);
}

const none: readonly RiderCheck[] = [];

/** Whether somebody asks if the rider is all right: listened for during a ride and shortly after. */
export function useChecks(): readonly RiderCheck[] {
  const { api, state } = useSession();
  const bookings = useBookings().data?.items ?? [];
  const intervalMs = checkIntervalMs(bookings, Date.now());
  const { data } = useQuery({
    queryKey: ['checks'],
    queryFn: ({ signal }) => api.call('listMyChecks', {}, { signal }),
    enabled: state === 'signed-in' && intervalMs !== false,
    refetchInterval: intervalMs,
  });
  return intervalMs === false ? none : (data?.items ?? none);
}

export function useBooking(bookingId: string) {
  const api = useApi();
  return useQuery({
    queryKey: ['booking', bookingId],
    queryFn: ({ signal }) => api.call('getBooking', { params: { bookingId } }, { signal }),
    refetchInterval: (query) => refreshIntervalMs(query.state.data),
  });
}

export function useReceipt(bookingId: string, ready: boolean) {
  const api = useApi();
  return useQuery({
    queryKey: ['receipt', bookingId],
    queryFn: ({ signal }) => api.call('getReceipt', { params: { bookingId } }, { signal }),
    enabled: ready,
    retry: (failures, error) => failures < 20 && error instanceof Failure && (error.code === 'receipt-not-ready' || error.code === 'offline'),
    retryDelay: 1_500,
    staleTime: 300_000,
  });
}

/**
 * One change on the platform. A repeated attempt with the same arguments carries the same idempotency key,
 * so a lost answer never books or pays twice.
 */
export function useChange<Name extends RouteName>(name: Name, onDone?: (reply: Reply<Name>) => void | Promise<void>) {
  const api = useApi();
  const attempt = useRef<{ arguments: string; key: string } | undefined>(undefined);
  return useMutation({
    mutationFn: (request: Request<Name>) => {
      const given = JSON.stringify(request);
      if (attempt.current?.arguments !== given) attempt.current = { arguments: given, key: v7() };
      return api.call(name, request, { idempotencyKey: attempt.current.key });
    },
    retry: worthTryingAgain,
    retryDelay: pauseBeforeTryMs,
    onSuccess: async (reply) => {
      attempt.current = undefined;
      await onDone?.(reply);
    },
    onError: (error) => {
      // A refusal is final for its key; what got no answer keeps it.
      if (error instanceof Failure && error.status >= 400 && error.status < 500) attempt.current = undefined;
    },
  });
}

/** Puts a booking that a call answered with where every screen reads it. */
export function useKeepBooking(): (booking: Booking) => void {
  const queries = useQueryClient();
  return (booking) => {
    queries.setQueryData(['booking', booking.id], booking);
    void queries.invalidateQueries({ queryKey: ['bookings'] });
    void queries.invalidateQueries({ queryKey: ['vehicle', booking.vehicleId] });
  };
}

interface AppConfiguration {
  mapStyleUrl?: string;
}

/** What the operator has configured for the app; nothing where the platform says nothing. */
export function useAppConfiguration(): { ready: boolean; mapStyleUrl: string | undefined } {
  const { data, isPending } = useQuery({
    queryKey: ['app-configuration'],
    queryFn: async ({ signal }): Promise<AppConfiguration> => {
      const response = await fetch(`${platformOrigin}/app-configuration.json`, { signal, headers: { accept: 'application/json' } });
      const json = response.ok && (response.headers.get('content-type') ?? '').includes('json');
      return json ? ((await response.json()) as AppConfiguration) : {};
    },
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return { ready: !isPending, mapStyleUrl: data?.mapStyleUrl };
}
