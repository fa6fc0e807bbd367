/** The fleet as figures. */
import type { Metrics } from '../../infra/observability/port.ts';
import type { CommandRow } from './store.ts';
import type { Fleet } from './fleet.ts';

export function observeFleet({ fleet, metrics }: { fleet: Fleet; metrics: Metrics }): void {
  for (const found of ['yes', 'no']) metrics.count('mobility_vehicle_searches_total', 'Searches of riders, and whether there was anything to find', { found }, 0);
  for (const state of ['verified', 'refused', 'expired']) countCommand(metrics, 'unlock', state, 0);
  metrics.gauge('mobility_vehicles', 'Vehicles by type and status', () => {
    const counts = new Map<string, { labels: { type: string; status: string }; value: number }>();
    for (const { model: { type }, status } of fleet.all()) {
      const key = `${type} ${status}`;
      const entry = counts.get(key) ?? { labels: { type, status }, value: 0 };
      entry.value++;
      counts.set(key, entry);
    }
    return [...counts.values()];
  });
}

const countCommand = (metrics: Metrics, kind: CommandRow['kind'], outcome: string, by: number): void =>
  metrics.count('mobility_vehicle_commands_total', 'Commands to vehicles by how they ended', { kind, outcome }, by);

/** A command has ended: how, and how long after it was given. */
export function observeCommand(metrics: Metrics, { kind, state, createdAt }: CommandRow, nowMs: number): void {
  countCommand(metrics, kind, state, 1);
  if (state === 'verified') metrics.seconds('mobility_vehicle_command_duration_seconds', 'From the command to the report of the vehicle that proves it', { kind })(Math.max(0, nowMs - createdAt.getTime()) / 1000);
}
