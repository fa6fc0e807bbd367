/** The shadow from the vehicle's side: what it reports about itself, and what it is asked to be. */
import { DesiredConfiguration, type ReportedShadow } from '../protocol/messages.ts';
import { topics } from '../protocol/topics.ts';
import type { Requests } from './requests.ts';

export interface ShadowOptions {
  vehicleId: string;
  requests: Requests;
  reported(): ReportedShadow;
  /** The configuration that is asked for, by members; unknown ones were left out. */
  configure(wanted: DesiredConfiguration): void;
  /** Unix milliseconds. */
  platformSays(timeMs: number): void;
}

const member = (value: unknown, name: string): unknown => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined);
/** Whole seconds: on the average half of one is missing. */
const timeOf = (answer: unknown): number | undefined => {
  const seconds = member(answer, 'timestamp');
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1000 + 500 : undefined;
};

export class Shadow {
  readonly #options: ShadowOptions;
  #reported = '';

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** Reports what is not reported yet, and takes what is wanted. Repeated at every connection. */
  async synchronise(): Promise<void> {
    const { vehicleId, requests } = this.#options;
    await this.report();
    const shadow = await requests.ask(topics.shadow(vehicleId, 'get'));
    this.#tellTime(shadow);
    await this.#take(member(member(member(shadow, 'state'), 'delta'), 'configuration'));
  }

  /** @returns whether the message was for the shadow */
  async hear(topic: string, content: unknown): Promise<boolean> {
    if (topic !== `${topics.shadow(this.#options.vehicleId, 'update')}/delta`) return false;
    this.#tellTime(content);
    await this.#take(member(member(content, 'state'), 'configuration'));
    return true;
  }

  /** Says how the vehicle is, when the platform does not know it from this connection. */
  async report(): Promise<void> {
    const { vehicleId, requests, reported } = this.#options;
    const state = reported();
    const text = JSON.stringify(state);
    if (text === this.#reported) return;
    this.#tellTime(await requests.ask(topics.shadow(vehicleId, 'update'), { state: { reported: state } }));
    this.#reported = text;
  }

  async #take(configuration: unknown): Promise<void> {
    const wanted = DesiredConfiguration.partial().safeParse(configuration);
    if (!wanted.success || Object.keys(wanted.data).length === 0) return;
    this.#options.configure(wanted.data);
    await this.report();
  }

  #tellTime(answer: unknown): void {
    const timeMs = timeOf(answer);
    if (timeMs !== undefined) this.#options.platformSays(timeMs);
  }
}
