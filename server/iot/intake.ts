/** Turns what vehicles publish into events, and says when they are safe. */
import { v7 } from 'uuid';
import type { Clock } from '../infra/clock/port.ts';
import type { CloudEvent, EventLog } from '../infra/events/port.ts';
import type { Logger, OpenSpan, Tracer } from '../infra/observability/port.ts';
import type { EventDefinition } from '../wire/contract.ts';
import { iotContract } from './contract.ts';
import { frameBytes, joinFrames, shareOf, shares } from './domain/frames.ts';
import type { Route } from './domain/policy.ts';
import { maximumTelemetryBytes, readMessage } from './domain/rules.ts';
import type { Tally } from './tally.ts';

/** Told once: the message is in the log, or of no use; with an error it has to be sent again. */
type Settle = (error?: Error) => void;

interface Batch {
  events: CloudEvent[];
  settles: Settle[];
}

/** What came for one share of the fleet since the last append. */
interface Share {
  vehicleIds: string[];
  payloads: Uint8Array[];
  settles: Settle[];
  bytes: number;
}

const emptyShare = (): Share => ({ vehicleIds: [], payloads: [], settles: [], bytes: 0 });
/** What arrives within so long becomes one event for each share: a flush of the disk costs more than waiting for company. */
const gatherMs = 5;
const largestShareBytes = 512 * 1024;
const largestBatch = 1000;
const { telemetryReceived } = iotContract.events;

/** Appends messages in the order in which they came; those that come while one append runs share the next. */
export class Intake {
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tally: Tally;
  readonly #tracer: Tracer;
  readonly #running = new Set<Promise<void>>();
  #batch: Batch = { events: [], settles: [] };
  #appendingBatch = false;
  #shares = Array.from({ length: shares }, emptyShare);
  #gathered = 0;
  #gathering: NodeJS.Timeout | undefined;
  #appendingShares = false;

  constructor({ events, clock, logger, tracer, tally }: { events: EventLog; clock: Clock; logger: Logger; tracer: Tracer; tally: Tally }) {
    this.#events = events;
    this.#clock = clock;
    this.#logger = logger;
    this.#tally = tally;
    this.#tracer = tracer;
  }

  /** @param settle is told when the message survives a power cut, or was of no use and is dropped */
  accept(route: Exclude<Route, 'request'>, vehicleId: string, payload: Uint8Array, settle: Settle): void {
    if (route === 'telemetry') {
      this.#gather(vehicleId, payload, settle);
      return;
    }
    const read = readMessage(route, vehicleId, payload);
    if (typeof read === 'string') {
      this.#tally.dropped(read, `vehicles/${vehicleId}/${route}`, vehicleId, payload);
      settle();
      return;
    }
    this.#tally.received(route);
    const span = this.#arrival(route, vehicleId, read.data);
    this.#batch.events.push(this.#event(read.event, vehicleId, read.data, span?.traceparent));
    this.#batch.settles.push((error) => {
      span?.end(error);
      settle(error);
    });
    if (!this.#appendingBatch) this.#run(() => this.#appendBatches());
  }

  /** The answer to a command goes on with its trace, and an alert begins one; what vehicles say by themselves all day belongs to none. */
  #arrival(route: Exclude<Route, 'request' | 'telemetry'>, vehicleId: string, data: object): OpenSpan | undefined {
    const traceparent = 'traceparent' in data && typeof data.traceparent === 'string' ? data.traceparent : undefined;
    if (traceparent === undefined && route !== 'alerts') return undefined;
    const template = `vehicles/{vehicleId}/${route}`;
    return this.#tracer.open(`process ${template}`, {
      kind: 'consumer', parent: traceparent, begins: true, outside: true,
      attributes: { 'messaging.system': 'mqtt', 'messaging.operation.type': 'process', 'messaging.destination.template': template, 'mobility.vehicle.id': vehicleId },
    });
  }

  #event(definition: EventDefinition, subject: string, data: unknown, traceparent?: string): CloudEvent {
    return {
      specversion: '1.0', id: v7(), source: '/iot', type: definition.type, subject, time: this.#clock.now().toISOString(),
      datacontenttype: 'application/json', dataschemaversion: definition.version, ...(traceparent !== undefined && { traceparent }), data,
    };
  }

  #run(work: () => Promise<void>): void {
    const running = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #appendBatches(): Promise<void> {
    this.#appendingBatch = true;
    // Let the other packets of this turn of the event loop in.
    await new Promise((resume) => setImmediate(resume));
    while (this.#batch.events.length > 0) {
      const events = this.#batch.events.splice(0, largestBatch);
      const settles = this.#batch.settles.splice(0, largestBatch);
      await this.#append('vehicles', events, settles);
    }
    this.#appendingBatch = false;
  }

  #gather(vehicleId: string, payload: Uint8Array, settle: Settle): void {
    if (payload.byteLength === 0 || payload.byteLength > maximumTelemetryBytes) {
      this.#tally.dropped(payload.byteLength === 0 ? 'empty' : 'oversized', `vehicles/${vehicleId}/telemetry`, vehicleId, payload);
      settle();
      return;
    }
    const share = this.#shares[shareOf(vehicleId)];
    if (!share) return;
    share.vehicleIds.push(vehicleId);
    share.payloads.push(payload);
    share.settles.push(settle);
    share.bytes += frameBytes(vehicleId, payload);
    this.#gathered += 1;
    if (!this.#appendingShares) this.#gathering ??= setTimeout(() => this.#run(() => this.#appendShares()), gatherMs);
  }

  async #appendShares(): Promise<void> {
    this.#gathering = undefined;
    this.#appendingShares = true;
    while (this.#gathered > 0) {
      const gathered = this.#shares;
      const count = this.#gathered;
      this.#shares = Array.from({ length: shares }, emptyShare);
      this.#gathered = 0;
      const events: CloudEvent[] = [];
      const receivedAtMs = this.#clock.nowMs();
      for (const [index, share] of gathered.entries()) {
        for (const frames of framesOf(share)) events.push(this.#event(telemetryReceived, `share-${index}`, { frames: frames.toString('base64'), receivedAtMs }));
      }
      const settles = gathered.flatMap((share) => share.settles);
      this.#tally.received('telemetry', count);
      await this.#append(telemetryReceived.topic, events, settles);
    }
    this.#appendingShares = false;
  }

  async #append(topic: string, events: readonly CloudEvent[], settles: readonly Settle[]): Promise<void> {
    let failure: Error | undefined;
    try {
      await this.#events.append(topic, events);
    } catch (error) {
      failure = new Error('the message cannot be kept now', { cause: error });
      this.#logger.error({ error, messages: settles.length }, 'messages cannot be kept; the vehicles will send them again');
    }
    for (const settle of settles) settle(failure);
  }

  /** Waits for what was accepted. */
  async settled(): Promise<void> {
    if (this.#gathering) {
      clearTimeout(this.#gathering);
      this.#run(() => this.#appendShares());
    }
    await Promise.all(this.#running);
  }
}

/** As few pieces as the largest size of an event allows. */
function framesOf({ vehicleIds, payloads, bytes }: Share): Buffer[] {
  if (payloads.length === 0) return [];
  if (bytes <= largestShareBytes) return [joinFrames(vehicleIds, payloads)];
  const pieces: Buffer[] = [];
  for (let from = 0; from < payloads.length; ) {
    let to = from;
    for (let size = 0; to < payloads.length; to++) {
      size += frameBytes(vehicleIds[to] ?? '', payloads[to] ?? new Uint8Array());
      if (to > from && size > largestShareBytes) break;
    }
    pieces.push(joinFrames(vehicleIds.slice(from, to), payloads.slice(from, to)));
    from = to;
  }
  return pieces;
}
