/** The modules of the platform in this process, on a real PostgreSQL, with time, events, vehicles and providers that a run plays. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prometheusMetrics } from '../../server/infra/observability/prometheus.ts';
import { defineModule, type Module } from '../../server/module.ts';
import { readConfiguration } from '../../server/program/configuration.ts';
import { openPorts, type Ports } from '../../server/program/ports.ts';
import { type RunningProcess, startProcess } from '../../server/program/process.ts';
import { freshDatabase, moduleOf } from '../../server/program/testing.ts';
import { paymentsOrchestratorContract } from '../../server/orchestrators/payments/contract.ts';
import { SharedBreaker } from '../../server/orchestrators/payments/breaker.ts';
import type { BreakerRecord } from '../../server/orchestrators/payments/domain/breaker.ts';
import { orchestratorHandlers } from '../../server/orchestrators/payments/handlers.ts';
import { Orchestrator } from '../../server/orchestrators/payments/orchestrator.ts';
import { GuardedProvider } from '../../server/orchestrators/payments/resilience.ts';
import { AttemptStore } from '../../server/orchestrators/payments/store.ts';
import { bookingModule } from '../../server/services/booking/module.ts';
import { paymentModule } from '../../server/services/payment/module.ts';
import { userContract } from '../../server/services/user/contract.ts';
import { vehicleContract } from '../../server/services/vehicle/contract.ts';
import { vehicleModule } from '../../server/services/vehicle/module.ts';
import { testCity } from '../../server/services/vehicle/testing/city.ts';
import { randomFor } from '../../simulator/randomness.ts';
import { EvidenceReader } from '../invariants/reading.ts';
import { SimulatedLog } from './simulated-log.ts';
import { SimulatedProvider } from './simulated-providers.ts';
import { SimulatedStreet, SimulatedVehicle } from './simulated-street.ts';
import { Trouble, withTrouble } from './trouble.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface SimulatedWorld {
  clock: VirtualClock;
  log: SimulatedLog;
  street: SimulatedStreet;
  trouble: Trouble;
  providers: readonly SimulatedProvider[];
  process: RunningProcess;
  evidence: EvidenceReader;
  /** The process is gone, with all that only its memory knew, and starts again. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const startMs = Date.parse('2026-11-22T10:00:00Z');
const scooters = 5;
const position = { lat: 50.102, lon: 8.602 };
const paymentTimeoutMs = 2_000;
/** Not of the run's own time, so out of reach. */
const neverMs = 3600_000;

const city = testCity({ vehicles: Array.from({ length: scooters }, (_, index) => ({ id: `s-${index + 1}`, modelId: 'scooter', tariffId: 'slow', position, batteryPercent: 80 })) });

const riders = moduleOf(userContract, {
  getEligibility: async ({ params }) => ({ riderId: params.riderId, birthDate: '1990-01-01', identityVerified: true, state: 'active', locale: 'en' }),
});

/** The real orchestrator over simulated providers. */
const orchestratorOver = (providers: readonly SimulatedProvider[], migrations: URL): Module =>
  defineModule<typeof paymentsOrchestratorContract.operations>({
    name: 'payments-orchestrator', contract: paymentsOrchestratorContract, needs: [], migrations,
    async start({ database, clock, logger, metrics, kv, tracer }) {
      const records = kv.table<BreakerRecord>('breakers');
      const guarded = providers.map((provider) => {
        const breaker = new SharedBreaker({ name: provider.name, records, clock, logger, breakAfterFailures: 5, halfOpenAfterMs: 5_000, probeForMs: paymentTimeoutMs + 1_000 });
        return new GuardedProvider(provider, breaker, { timeoutMs: neverMs });
      });
      const orchestrator = new Orchestrator({ providers: guarded, store: new AttemptStore(database), clock, logger, metrics, tracer, shareTokens: true, graceMs: paymentTimeoutMs + 1_000 });
      return { handlers: orchestratorHandlers(orchestrator) };
    },
  });

export async function openWorld(seed: number): Promise<SimulatedWorld> {
  const home = await mkdtemp(join(tmpdir(), 'mobility-simulation-'));
  const database = await freshDatabase();
  const trouble = new Trouble(randomFor(seed, 'trouble'));
  const clock = new VirtualClock(startMs);
  const log = new SimulatedLog(randomFor(seed, 'log'), trouble);
  const street = new SimulatedStreet(city.vehicles.map(({ id }) => new SimulatedVehicle(id, position)), { log, clock, trouble });
  const providers = (['stripe', 'adyen'] as const).map((name) => new SimulatedProvider(name, randomFor(seed, name), trouble));
  const configuration = readConfiguration({
    PORT: '0', MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'silent', MOBILITY_POOL_SIZE: '4', MOBILITY_PAYMENT_TIMEOUT_MS: String(paymentTimeoutMs), ...(database.url && { MOBILITY_DATABASE_URL: database.url }),
  });
  const opened = await openPorts(configuration);
  // A process that starts again counts anew.
  const ports = (): Ports => ({ ...opened, clock, events: log, metrics: prometheusMetrics(), close: async () => undefined });
  const migrations = new URL('../../server/orchestrators/payments/migrations/', import.meta.url);
  const modules = [riders, street.module(), ...[vehicleModule, orchestratorOver(providers, migrations), paymentModule, bookingModule].map((module) => withTrouble(module, trouble))];
  const start = () => startProcess({ configuration, modules, ports: ports(), checkAnswers: true, byHand: true });

  const world: SimulatedWorld = {
    clock, log, street, trouble, providers, process: await start(),
    evidence: new EvidenceReader({
      databaseUrl: database.url ?? opened.database.url, events: log, nowMs: clock.nowMs, charges: async () => providers.flatMap(({ charges }) => charges),
    }),
    async restart() {
      await world.process.stop();
      clock.forgetLoops();
      world.process = await start();
    },
    async close() {
      await world.process.stop();
      await opened.close();
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
  await world.process.client(vehicleContract).putCity({ params: { cityId: city.id }, body: city });
  return world;
}
