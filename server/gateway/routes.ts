/** The public face: which operations of which contracts the gateway serves. */
import { iotContract } from '../iot/contract.ts';
import { bookingContract } from '../services/booking/contract.ts';
import { incidentContract } from '../services/incident/contract.ts';
import { paymentContract } from '../services/payment/contract.ts';
import { rolloutContract } from '../services/rollout/contract.ts';
import { telemetryContract } from '../services/telemetry/contract.ts';
import { userContract } from '../services/user/contract.ts';
import { vehicleContract } from '../services/vehicle/contract.ts';
import type { Contract, Operation } from '../wire/contract.ts';
import { gatewayContract } from './contract.ts';

export const publicContracts: readonly Contract[] = [userContract, vehicleContract, bookingContract, paymentContract, iotContract, telemetryContract, incidentContract, rolloutContract, gatewayContract];

/** A public operation with the module that serves it. */
export interface PublicOperation {
  module: string;
  name: string;
  operation: Operation;
}

/** @throws Error when two operations have the same method and path */
export function publicOperations(contracts: readonly Contract[] = publicContracts): PublicOperation[] {
  const found = contracts.flatMap(({ module, operations }) =>
    Object.entries(operations).filter(([, operation]) => operation.public).map(([name, operation]) => ({ module, name, operation })));
  const seen = new Map<string, string>();
  for (const { module, name, operation } of found) {
    const route = `${operation.method} ${operation.path.replaceAll(/\{[^}]*\}/g, '{}')}`;
    const other = seen.get(route);
    if (other) throw new Error(`${module}.${name} and ${other} both serve ${route}`);
    seen.set(route, `${module}.${name}`);
  }
  return found;
}

/** The path in Fastify's notation. @param path `/v1/vehicles/{vehicleId}` */
export const routerPath = (path: string): string => path.replaceAll(/\{([^}]+)\}/g, ':$1');

/** Tells which methods a path answers, for 405. */
export function methodsByPath(operations: readonly PublicOperation[]): (pathname: string) => string[] {
  const patterns = operations.map(({ operation }) => ({
    method: operation.method,
    pattern: new RegExp(`^${operation.path.split(/\{[^}]+\}/).map((part) => part.replaceAll(/[.+*?^$()[\]{}|\\]/g, "\\$&")).join('[^/]+')}/?$`),
  }));
  return (pathname) => [...new Set(patterns.filter(({ pattern }) => pattern.test(pathname)).flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}
