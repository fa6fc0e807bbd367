import type { CloudEvent } from '../../infra/events/port.ts';
import type { SeriesTable } from '../../infra/series/port.ts';
import { iotContract } from '../../iot/contract.ts';
import { defineModule, type ModuleContext } from '../../module.ts';
import type { Handlers } from '../../wire/contract.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { GroupCommit } from './commit.ts';
import { telemetryContract } from './contract.ts';
import { FactFinder, type FactSettings, factSettings } from './domain/facts.ts';
import { LiveFleet, marks } from './domain/live.ts';
import { RecentRecords } from './domain/recent.ts';
import { ZoneIndex } from './domain/zones.ts';
import { Intake } from './intake.ts';
import { FleetView, healthHandlers, historyHandlers, liveHandlers } from './queries.ts';
import { packVehicle, replay, restore, type SavedState, Snapshots } from './recovery.ts';
import { historyDefinition } from './rows.ts';
import { forgetBoots, startsSince } from './store.ts';
import { LiveStreams } from './stream.ts';

type Operations = typeof telemetryContract.operations;

export const intakeGroup = 'telemetry-intake';
const intakeTopic = iotContract.events.telemetryReceived.topic;
/** Batches of so many partitions at once: what one waits for does not hold up the others. */
const lanes = 8;
const mostEventsAtOnce = 64;
/** The live state does not wait for history: so many further batches are read meanwhile, while there are not more rows than that. */
const batchesAhead = 16;
const mostWaitingRows = 100_000;
/** Zones are asked for again and again: a start does not wait for the vehicle service to come. */
const zonesWithinMs = 3_000;
const snapshotEveryMs = 5_000;
const sweepEveryMs = 2_000;
/** Nearer to the present than that counts as caught up. */
const caughtUpMs = 10_000;
const policiesEveryMs = 60_000;
const keepBootsMs = 30 * 24 * 3_600_000;
const wholeWorld = '-180,-90,180,90';

interface Parts extends SavedState {
  context: ModuleContext;
  intake: Intake;
  finder: FactFinder;
  recent: RecentRecords;
  history: SeriesTable;
  commit: GroupCommit;
  snapshots: Snapshots;
}

function takeIn({ intake, snapshots }: Pick<Parts, 'intake' | 'snapshots'>, { subject, data }: CloudEvent, nowMs?: number): void {
  const { frames, receivedAtMs } = (data ?? {}) as { frames?: unknown; receivedAtMs?: unknown };
  if (typeof frames !== 'string' || typeof receivedAtMs !== 'number' || !Number.isFinite(receivedAtMs)) {
    intake.drop('event-malformed');
    return;
  }
  intake.frames(Buffer.from(frames, 'base64'), receivedAtMs, nowMs);
  snapshots.receivedAtMs.set(subject, Math.max(receivedAtMs, snapshots.receivedAtMs.get(subject) ?? 0));
}

async function assemble(context: ModuleContext, settings: FactSettings): Promise<Parts> {
  const { database, logger } = context;
  const [fleet, zones, recent] = [new LiveFleet(), new ZoneIndex(), new RecentRecords()];
  const finder = new FactFinder(fleet, zones, settings);
  const intake = new Intake(fleet, finder, (row, records, nowMs) => recent.add(row, records, nowMs));
  const saved: SavedState = { fleet, zones, database, logger };
  const snapshots = new Snapshots(saved);
  const history = await context.series.open('telemetry', historyDefinition);
  const { cycle, receivedAtMs } = await restore(saved);
  const commit = new GroupCommit({ intake, history, database, logger, packed: (row) => packVehicle(saved, row), onTake: (taken) => snapshots.onTake(taken), lastCycle: cycle });
  const parts: Parts = { ...saved, context, intake, finder, recent, history, commit, snapshots };
  await loadFirstZones(parts);
  const again = await replay(context.events, intakeTopic, receivedAtMs, (event) => takeIn(parts, event));
  if (again > 0) logger.info({ events: again, vehicles: fleet.size }, 'live state read from the log again');
  return parts;
}

async function loadZones({ context, zones, finder }: Parts): Promise<void> {
  const { items } = await context.client(vehicleContract).listZones({ query: { bbox: wholeWorld } }, { timeoutMs: zonesWithinMs });
  const before = zones.isLoaded ? zones.ids() : undefined;
  zones.replace(items);
  finder.zonesReplaced(before);
}

/** The vehicle service may be in another process, which starts later. */
async function loadFirstZones(parts: Parts): Promise<void> {
  if (parts.zones.isLoaded) return;
  await loadZones(parts).catch((error: unknown) => parts.logger.warn({ error }, 'zones cannot be asked for yet; tried again'));
}

/** Repeats until stopped, one after the other; what fails is logged and comes again. */
function every(parts: Parts, periodMs: number, work: () => Promise<void>, complaint: string): () => Promise<void> {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= work().catch((error: unknown) => parts.logger.error({ error }, complaint)).finally(() => {
      running = undefined;
    });
  }, periodMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** Silence counts only while everything that came has been read: else it is ours. */
function sweeper(parts: Parts): () => Promise<void> {
  const { context, finder, commit, snapshots } = parts;
  let listeningSinceMs = context.clock.nowMs();
  return async () => {
    const nowMs = context.clock.nowMs();
    const newestMs = [...snapshots.receivedAtMs.values()].reduce((newest, receivedAtMs) => Math.max(newest, receivedAtMs), 0);
    if (newestMs < nowMs - caughtUpMs && (await context.events.lag(intakeGroup, intakeTopic)) > 0) listeningSinceMs = nowMs;
    finder.sweep(nowMs, listeningSinceMs);
    if (finder.facts.length > 0) await commit.commit();
  };
}

/** Into memory, as long as history keeps up. */
async function takeAll(parts: Parts, events: readonly CloudEvent[]): Promise<void> {
  for (const event of events) {
    if (event.type !== iotContract.events.telemetryReceived.type) continue;
    if (parts.intake.waitingRows >= mostWaitingRows) await parts.commit.commit();
    takeIn(parts, event, parts.context.clock.nowMs());
  }
}

/** One after the other, in the order in which they were asked for: also when one has to wait. */
function turns(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

function subscribe(parts: Parts) {
  const { context, commit, snapshots } = parts;
  const inTurn = turns();
  const { cityChanged } = vehicleContract.events;
  const { telemetryReceived } = iotContract.events;
  return [
    context.events.subscribe({
      group: intakeGroup, topics: [telemetryReceived.topic], maximumBatch: mostEventsAtOnce, concurrency: lanes, ahead: batchesAhead,
      async handle(events) {
        await inTurn(() => takeAll(parts, events));
        await commit.commit();
        void snapshots.save();
      },
    }),
    context.events.subscribe({
      group: 'telemetry-zones', topics: [cityChanged.topic], from: 'newest',
      handle: async (events) => (events.some(({ type }) => type === cityChanged.type) ? loadZones(parts) : undefined),
    }),
  ];
}

function statisticsHandler({ context, fleet, intake, recent, commit, history }: Parts): Pick<Handlers<Operations>, 'getStatistics'> {
  return {
    async getStatistics() {
      const nowMs = context.clock.nowMs();
      let offline = 0;
      for (let row = 0; row < fleet.size; row++) if (((fleet.marks[row] ?? 0) & marks.offline) !== 0) offline++;
      return {
        vehicles: fleet.size, online: fleet.size - offline, recordsReceived: intake.counts.records, recordsPerSecond: recent.perSecond(nowMs), duplicates: intake.counts.duplicates, late: intake.counts.late,
        dropped: { ...intake.counts.dropped, ...(commit.outside > 0 && { 'outside-of-history': commit.outside }) },
        liveP50Ms: intake.latency.quantileMs(0.5, nowMs), liveP99Ms: intake.latency.quantileMs(0.99, nowMs),
        lagEvents: await context.events.lag(intakeGroup, intakeTopic), recordsWritten: commit.written, history: await history.size(),
      };
    },
  };
}

function observe({ context, fleet, intake, commit, recent }: Parts, streams: LiveStreams): void {
  const { metrics, clock } = context;
  metrics.gauge('mobility_telemetry_vehicles', 'Vehicles of which something is known', () => fleet.size);
  metrics.gauge('mobility_telemetry_records_per_second', 'Records taken in, over ten seconds', () => recent.perSecond(clock.nowMs()));
  metrics.total('mobility_telemetry_records_written_total', 'Records new in history since the start', () => commit.written);
  metrics.total('mobility_telemetry_records_dropped_total', 'Records and batches dropped since the start', () => Object.values(intake.counts.dropped).reduce((sum, count) => sum + count, 0));
  metrics.gauge('mobility_telemetry_lag_events', 'Events that are not in history yet', () => context.events.lag(intakeGroup, intakeTopic));
  metrics.gauge('mobility_telemetry_history_waits', '1 while history cannot be written', () => (commit.trouble === undefined ? 0 : 1));
  metrics.gauge('mobility_telemetry_freshness_seconds', 'From the clock of the vehicle to live state, over the last minute', () => [0.5, 0.99].flatMap((quantile) => {
    const ms = intake.latency.quantileMs(quantile, clock.nowMs());
    return ms === null ? [] : [{ labels: { quantile: String(quantile) }, value: ms / 1000 }];
  }));
  metrics.gauge('mobility_telemetry_streams_open', 'Open streams of live vehicles', () => streams.openStreams);
}

/** @param settings other limits than `factSettings`, in tests */
export const telemetryModuleWith = (settings: FactSettings) => defineModule<Operations>({
  name: 'telemetry',
  contract: telemetryContract,
  needs: ['vehicle'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const parts = await assemble(context, settings);
    const { fleet, intake, recent, commit, snapshots, history, database, logger } = parts;
    const view = new FleetView(fleet, intake);
    const streams = new LiveStreams(view);
    observe(parts, streams);
    const subscriptions = subscribe(parts);
    const repeated = [
      every(parts, sweepEveryMs, () => loadFirstZones(parts), 'zones cannot be asked for; tried again'),
      every(parts, sweepEveryMs, sweeper(parts), 'silent vehicles cannot be looked for; tried again'),
      every(parts, snapshotEveryMs, async () => snapshots.want(), 'the live state cannot be saved; tried again'),
      every(parts, policiesEveryMs, async () => {
        await history.applyPolicies();
        await forgetBoots(database.sql, new Date(context.clock.nowMs() - keepBootsMs));
      }, 'history cannot be tidied up; tried again'),
    ];
    return {
      handlers: {
        ...liveHandlers(view, streams), ...historyHandlers(history), ...statisticsHandler(parts),
        ...healthHandlers({ fleet, intake, recent, startsSince: (ids, since) => startsSince(database.sql, ids, since), nowMs: () => context.clock.nowMs() }),
      },
      async stop() {
        streams.close();
        await Promise.all(repeated.map((end) => end()));
        commit.stop();
        await Promise.all(subscriptions.map((subscription) => subscription.close()));
        await lastSnapshot(parts).catch((error: unknown) => logger.warn({ error }, 'the live state could not be saved at the end; the log has what is missing'));
      },
    };
  },
});

async function lastSnapshot({ snapshots, commit }: Parts): Promise<void> {
  await snapshots.save();
  snapshots.want();
  await commit.commit();
  await snapshots.save();
}

export const telemetryModule = telemetryModuleWith(factSettings);
