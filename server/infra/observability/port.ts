/** Logs, metrics and traces, without a vendor's name. */
import type { Trace } from './trace.ts';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export type Labels = Record<string, string>;
/** One number, or one for each set of labels. */
export type Reading = number | readonly { labels: Labels; value: number }[];

/**
 * Metrics by the conventions of Prometheus: `mobility_…_seconds`, counters end in `_total`. Values of labels come from
 * a list that is known beforehand (a route, a state, a module), never from what people or vehicles are called.
 */
export interface Metrics {
  /** Counts up. Label names are fixed by the first use of a name; by 0 it is there before anything has happened. */
  count(name: string, help: string, labels?: Labels, by?: number): void;
  /** Seconds, into a histogram. For what happens often, keep what this returns: it knows its place. */
  seconds(name: string, help: string, labels?: Labels): (seconds: number) => void;
  /** Read when scraped; several may read for one name, each with labels of its own. One that fails or takes too long is left out of that scrape. */
  gauge(name: string, help: string, read: () => Reading | Promise<Reading>): void;
  /** As `gauge`, of what only ever grows and is counted elsewhere. */
  total(name: string, help: string, read: () => Reading | Promise<Reading>): void;
  /** The Prometheus text format. */
  scrape(): Promise<string>;
}

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type Attributes = Record<string, string | number | boolean | undefined>;

export interface SpanOptions {
  /** `internal` without. */
  kind?: SpanKind;
  attributes?: Attributes;
  /** What this continues, in place of the work in hand: a `traceparent`, or what was read from another header. */
  parent?: string | Trace | undefined;
  /** Begins a trace when there is none to continue. */
  begins?: boolean;
  /** The parent comes from somebody who does not decide for us what is recorded. */
  outside?: boolean;
  /** It began so long ago. */
  agoMs?: number;
  /** The kind of the timer that fires. */
  timer?: string;
}

export interface Span {
  /** Whether anybody will ever read it. */
  isRecorded: boolean;
  set(attributes: Attributes): void;
}

/** A span that ends when it is told to. */
export interface OpenSpan extends Span {
  /** What it is to others; undefined where there is no trace. */
  trace: Trace | undefined;
  traceparent: string | undefined;
  /** @param error what it ended with, when it failed */
  end(error?: unknown): void;
}

/**
 * Spans of traces. Recording never fails, holds up or slows down the work that is recorded; what cannot be
 * exported is dropped. Errors are recorded by what they are called, not by their text, which may name people.
 */
export interface Tracer {
  /** A tracer whose spans are those of a service. */
  of(service: string): Tracer;
  /** Does the work within a span, which ends with it. Without a trace, and unless it begins one, it is just the work. */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => T): T;
  open(name: string, options: SpanOptions): OpenSpan;
  /** Sends what waits, for a moment; what cannot be sent is lost. */
  close(): Promise<void>;
}
