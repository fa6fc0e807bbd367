/** The rollout module on a real PostgreSQL, jobs, telemetry and vehicles in memory. */
import { writeArchive } from '../../../../edge/protocol/archive.ts';
import type { OpenArchive } from '../../../../edge/update/download.ts';
import { startModules } from '../../../program/testing.ts';
import type { Client, RawReply } from '../../../wire/contract.ts';
import { moduleOf } from '../../../program/testing.ts';
import { telemetryContract } from '../../telemetry/contract.ts';
import { vehicleContract } from '../../vehicle/contract.ts';
import { rolloutContract } from '../contract.ts';
import { rolloutModule } from '../module.ts';
import { Fleet } from './fleet.ts';
import { Jobs } from './jobs.ts';

export type Rollouts = Client<typeof rolloutContract.operations>;

/** Time that tests move on. */
export class MovableClock {
  offsetMs = 0;
  nowMs = (): number => Date.now() + this.offsetMs;
  now = (): Date => new Date(this.nowMs());
}

let versions = 0;
export const firmwareArchive = (behaviour: string, version: string): Uint8Array =>
  writeArchive([{ path: 'main.ts', bytes: Buffer.from(`// ${version}`) }, { path: 'simulated.json', bytes: Buffer.from(JSON.stringify({ behaviour, version })) }]);

/** @param stagesPercent of rollouts that do not say */
export async function startWorld(vehicleCount: number, stagesPercent = [1, 10, 50, 100]) {
  const vehicleIds = Array.from({ length: vehicleCount }, (_, index) => `v-${String(index).padStart(4, '0')}`);
  const jobs = new Jobs();
  const clock = new MovableClock();
  const health: { of(vehicleIds: readonly string[], sinceMs: number): ReturnType<Fleet['health']> } = { of: (ids, sinceMs) => fleet.health(ids, sinceMs) };
  const telemetry = moduleOf(telemetryContract, { getHealth: async ({ body }) => ({ items: health.of(body.vehicleIds, Date.parse(body.since)) }) });
  const vehicles = moduleOf(vehicleContract, { listVehicleIds: async ({ query }) => ({ vehicleIds: query.cityId === 'empty' ? [] : vehicleIds }) });
  const process = await startModules([rolloutModule, jobs.module(), telemetry, vehicles], { clock });
  jobs.events = process.ports.events;
  const rollouts = process.client(rolloutContract);
  const openArchive: OpenArchive = async (address, from) => {
    const url = new URL(address);
    const bundleId = url.pathname.split('/').at(-2) ?? '';
    const reply = (await rollouts.getArchive({ params: { bundleId }, query: { ticket: url.searchParams.get('ticket') ?? '', from } })) as unknown as RawReply;
    return reply.body as AsyncIterable<Uint8Array>;
  };
  const { keys } = await rollouts.getSigningKeys({});
  const fleet = new Fleet(vehicleIds, { jobs, trustedKeys: { counter: 0, keys }, openArchive, nowMs: clock.nowMs });
  const dispatch = process.served('rollout')?.dispatch;
  if (!dispatch) throw new Error('the rollout module does not run');

  /** @returns the answer to an upload */
  async function upload(archive: Uint8Array, query: { kind: string; version: string }, idempotencyKey: string = crypto.randomUUID()): Promise<{ id: string; sha256: string }> {
    const answer = await dispatch?.('createBundle', { query, uploads: [{ fileName: 'bundle.tar.gz', contentType: 'application/gzip', bytes: archive }] }, { idempotencyKey });
    return (answer as { json: { id: string; sha256: string } }).json;
  }
  return {
    ...process, rollouts, fleet, jobs, clock, health, upload, openArchive,
    /** Firmware that behaves so, uploaded under a new version. */
    async firmware(behaviour: string): Promise<string> {
      const version = `2.${++versions}.0`;
      return (await upload(firmwareArchive(behaviour, version), { kind: 'firmware', version })).id;
    },
    create: (bundleId: string, more: Partial<Parameters<Rollouts['createRollout']>[0]['body']> = {}, idempotencyKey: string = crypto.randomUUID()) =>
      rollouts.createRollout({ body: { bundleId, soakMinutes: 0.003, stagesPercent, ...more } }, { idempotencyKey }),
    /** Lets the fleet live until the rollout is as wanted. */
    async until(rolloutId: string, is: (rollout: Awaited<ReturnType<Rollouts['getRollout']>>) => boolean, timeoutMs = 15_000) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        await fleet.live();
        const rollout = await rollouts.getRollout({ params: { rolloutId } });
        if (is(rollout)) return rollout;
        if (performance.now() > deadline) throw new Error(`the rollout does not get there: ${JSON.stringify(rollout, null, 1)}`);
        await new Promise((resume) => setTimeout(resume, 20));
      }
    },
  };
}
