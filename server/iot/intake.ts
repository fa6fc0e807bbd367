/** Turns what vehicles publish into events, and says when they are safe. */
import { v7 } from 'uuid';
import type { Clock } from '../infra/clock/port.ts';
import type { CloudEvent, EventLog } from '../infra/events/port.ts';
import type { Metrics } from '../infra/observability/port.ts';
import { ReportedState, vehicleContract } from '../services/vehicle/contract.ts';
import { maximumReportBytes } from './domain/policy.ts';

interface Waiting {
  event: CloudEvent;
  settle(error?: unknown): void;
}

const largestBatch = 1000;
const { stateReported } = vehicleContract.events;

/**
 * Reads a report. @returns why it is of no use, as a word for the metrics
 */
export function readReport(vehicleId: string, payload: Uint8Array): ReportedState | 'oversized' | 'not-json' | 'not-a-report' | 'of-another-vehicle' {
  if (payload.byteLength > maximumReportBytes) return 'oversized';
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return 'not-json';
  }
  const parsed = ReportedState.safeParse(value);
  if (!parsed.success) return 'not-a-report';
  return parsed.data.vehicleId === vehicleId ? parsed.data : 'of-another-vehicle';
}

/** Appends reports in the order in which they came; those that come while one append runs share the next. */
export class Intake {
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;

  constructor({ events, clock, metrics }: { events: EventLog; clock: Clock; metrics: Metrics }) {
    this.#events = events;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /**
   * Resolves when the report survives a power cut, or was of no use and is dropped.
   * @throws what the event log threw: then the vehicle must send it again
   */
  accept(vehicleId: string, payload: Uint8Array): Promise<void> {
    const report = readReport(vehicleId, payload);
    if (typeof report === 'string') {
      this.#metrics.count('iot_reports_dropped_total', 'Reports of vehicles that were of no use', { reason: report });
      return Promise.resolve();
    }
    this.#metrics.count('iot_reports_total', 'Reports of vehicles');
    const event: CloudEvent = {
      specversion: '1.0', id: v7(), source: '/iot', type: stateReported.type, subject: vehicleId, time: this.#clock.now().toISOString(),
      datacontenttype: 'application/json', dataschemaversion: stateReported.version, data: report,
    };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      this.#draining ??= this.#drain().finally(() => (this.#draining = undefined));
    });
  }

  async #drain(): Promise<void> {
    // Let the other packets of this turn of the event loop in.
    await new Promise((resume) => setImmediate(resume));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, largestBatch);
      let failure: unknown;
      await this.#events.append(stateReported.topic, batch.map(({ event }) => event)).catch((error: unknown) => {
        failure = error ?? new Error('the event log refused');
      });
      for (const { settle } of batch) settle(failure);
    }
  }

  /** Waits for what was accepted. */
  async settled(): Promise<void> {
    await this.#draining;
  }
}
