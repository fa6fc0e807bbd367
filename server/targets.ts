/**
 * Every module of the program, and what a process may be told to serve.
 *
 * A module is loaded when a process serves it: one that serves bookings alone knows neither a broker nor a payment SDK.
 */
import type { Module } from './module.ts';

/** A flat list, in no order; `needs` decides. */
const loaders = {
  'gateway': async () => (await import('./gateway/module.ts')).gatewayModule,
  'user': async () => (await import('./services/user/module.ts')).userModule,
  'vehicle': async () => (await import('./services/vehicle/module.ts')).vehicleModule,
  'booking': async () => (await import('./services/booking/module.ts')).bookingModule,
  'payment': async () => (await import('./services/payment/module.ts')).paymentModule,
  'payments-orchestrator': async () => (await import('./orchestrators/payments/module.ts')).paymentsOrchestratorModule,
  'iot': async () => (await import('./iot/module.ts')).iotModule,
  'telemetry': async () => (await import('./services/telemetry/module.ts')).telemetryModule,
  'incident': async () => (await import('./services/incident/module.ts')).incidentModule,
  'rollout': async () => (await import('./services/rollout/module.ts')).rolloutModule,
} satisfies Record<string, () => Promise<Module>>;

export type ModuleName = keyof typeof loaders;
export const moduleNames = Object.keys(loaders) as ModuleName[];

/** Names for several modules that one process may take together. */
export const targetGroups: Record<string, readonly ModuleName[]> = {
  all: moduleNames,
  edge: ['gateway', 'iot'],
  core: ['user', 'vehicle', 'booking', 'payment', 'payments-orchestrator', 'incident', 'rollout'],
  data: ['telemetry'],
};

const isModuleName = (name: string): name is ModuleName => Object.hasOwn(loaders, name);

/**
 * The modules of a `--target`: names and groups, separated by commas.
 * @throws Error that names what is unknown
 */
export function modulesOfTarget(target: string): ModuleName[] {
  const asked = target.split(',').map((part) => part.trim()).filter(Boolean);
  const unknown = asked.filter((name) => !isModuleName(name) && !Object.hasOwn(targetGroups, name));
  if (unknown.length > 0 || asked.length === 0) {
    throw new Error(`--target=${target} names ${unknown.join(', ') || 'nothing'}; there are ${[...Object.keys(targetGroups), ...moduleNames].join(', ')}`);
  }
  const names = new Set<string>(asked.flatMap((name): readonly string[] => targetGroups[name] ?? [name]));
  return moduleNames.filter((name) => names.has(name));
}

export const loadModules = (names: readonly ModuleName[]): Promise<Module[]> => Promise.all(names.map((name) => loaders[name]()));
