/** Every module of the program: a flat list, in no order; `needs` decides. */
import { gatewayModule } from './gateway/module.ts';
import { iotModule } from './iot/module.ts';
import type { Module } from './module.ts';
import { paymentsOrchestratorModule } from './orchestrators/payments/module.ts';
import { bookingModule } from './services/booking/module.ts';
import { incidentModule } from './services/incident/module.ts';
import { paymentModule } from './services/payment/module.ts';
import { rolloutModule } from './services/rollout/module.ts';
import { telemetryModule } from './services/telemetry/module.ts';
import { userModule } from './services/user/module.ts';
import { vehicleModule } from './services/vehicle/module.ts';

export const modules: readonly Module[] = [gatewayModule, userModule, vehicleModule, bookingModule, paymentModule, paymentsOrchestratorModule, iotModule, telemetryModule, incidentModule, rolloutModule];

/** Names for several modules that one process may take together. */
export const targetGroups: Record<string, readonly string[]> = {
  all: modules.map((module) => module.name),
  edge: ['gateway', 'iot'],
  core: ['user', 'vehicle', 'booking', 'payment', 'payments-orchestrator', 'incident', 'rollout'],
  data: ['telemetry'],
};

/**
 * The modules of a `--target`: names and groups, separated by commas.
 * @throws Error that names what is unknown
 */
export function modulesOfTarget(target: string): Module[] {
  const names = new Set(target.split(',').map((part) => part.trim()).filter(Boolean).flatMap((name) => targetGroups[name] ?? [name]));
  const unknown = [...names].filter((name) => !modules.some((module) => module.name === name));
  if (unknown.length > 0 || names.size === 0) {
    throw new Error(`--target=${target} names ${unknown.join(', ') || 'nothing'}; there are ${[...Object.keys(targetGroups), ...modules.map((module) => module.name)].join(', ')}`);
  }
  return modules.filter((module) => names.has(module.name));
}
