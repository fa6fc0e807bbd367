/** What the business looks at: rides, and how bookings stand. */
import type { ModuleContext } from '../../module.ts';
import { bookingContract } from './contract.ts';
import { countOpenByState } from './store.ts';

const { riding, ended, charged, cancelled, expired, failed, reserved } = bookingContract.events;
const outcomes: Record<string, string> = Object.fromEntries([reserved, charged, cancelled, expired, failed].map(({ type }) => [type, type.split('.')[1] ?? type]));

export function observeBookings({ metrics, database }: ModuleContext): void {
  const started = (vehicleType: string, by = 1) => metrics.count('mobility_rides_started_total', 'Rides that have begun', { vehicle_type: vehicleType }, by);
  const over = (vehicleType: string, by = 1) => metrics.count('mobility_rides_ended_total', 'Rides that have ended', { vehicle_type: vehicleType }, by);
  for (const vehicleType of ['scooter', 'ebike', 'car', 'van']) [started, over].forEach((count) => count(vehicleType, 0));
  for (const outcome of Object.values(outcomes)) metrics.count('mobility_bookings_total', 'Bookings by what became of them', { outcome }, 0);
  database.onPublished((event) => {
    const { data } = reserved.data.safeParse(event.data);
    const outcome = outcomes[event.type];
    if (outcome) metrics.count('mobility_bookings_total', 'Bookings by what became of them', { outcome });
    // A ride that goes on after a pause has begun before.
    if (data && event.type === riding.type && data.from === 'confirmed') started(data.vehicleType);
    if (data && event.type === ended.type) over(data.vehicleType);
  });
  metrics.gauge('mobility_bookings_open', 'Bookings that are not over, by state', async () => (await countOpenByState(database.sql)).map(({ state, count }) => ({ labels: { state }, value: count })));
}
