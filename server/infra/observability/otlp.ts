/** Traces by OpenTelemetry, exported to a collector by OTLP: protobuf over HTTP. */
import { ROOT_CONTEXT, type Span as RecordedSpan, SpanKind, SpanStatusCode, trace as api, TraceFlags, type Tracer as RecordingTracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor, type ReadableSpan, SamplingDecision, type SpanExporter, type SpanProcessor, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import type { Attributes, Logger, Metrics, OpenSpan, Span, SpanOptions, Tracer } from './port.ts';
import { passingTracer } from './passing-tracer.ts';
import { currentTrace, newSpanId, newTraceId, noSpanId, readTraceparent, runInTrace, type Trace, type TraceIds, toTraceparent } from './trace.ts';

export interface OtlpOptions {
  /** Of the collector: `http://localhost:4318`. */
  url: string;
  /** Share of the traces that begin here and are recorded, 0 to 1; whoever continues a trace does as it says. */
  ratio: number;
  ids: TraceIds;
  /** Tells this process from its like. */
  instance: string;
  version: string;
  logger: Logger;
  metrics: Metrics;
}

const queuedSpans = 8192;
const spansPerExport = 512;
const exportEveryMs = 1000;
const exportTimeoutMs = 5000;
const closeWithinMs = 2000;
const complainEveryMs = 60_000;

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER } as const;

/** Tells how exports go: in the metrics each, in the log at most once a minute. */
function watched(exporter: SpanExporter, { logger, metrics }: OtlpOptions): SpanExporter {
  let complainedAtMs = Number.NEGATIVE_INFINITY;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0;
        metrics.count('mobility_trace_spans_total', 'Spans by what became of them', { outcome: failed ? 'lost' : 'exported' }, spans.length);
        if (failed && performance.now() - complainedAtMs > complainEveryMs) {
          complainedAtMs = performance.now();
          logger.warn({ error: result.error, spans: spans.length }, 'spans cannot be exported; they are lost');
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

/** A refusal is an answer; what is not one is a failure. */
const isRefusal = (error: unknown): boolean => typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number' && error.status < 500;
const nameOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : error instanceof Error ? error.name : typeof error);

class Recorded implements OpenSpan {
  readonly isRecorded = true;
  readonly trace: Trace;
  readonly #span: RecordedSpan;

  constructor(span: RecordedSpan, trace: Trace) {
    this.#span = span;
    this.trace = trace;
  }

  get traceparent(): string {
    return toTraceparent(this.trace);
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      this.#span.setAttribute('error.type', nameOf(error));
      if (!isRefusal(error)) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

/** What the tracers of all services share. */
interface Shared {
  processor: SpanProcessor;
  /** Of traces that begin here, or come from outside. */
  share: TraceIdRatioBasedSampler;
  /** For what is not recorded. */
  passing: Tracer;
  options: OtlpOptions;
}

const continuedBy = ({ parent }: SpanOptions): Trace | undefined => (parent === undefined ? currentTrace() : typeof parent === 'string' ? readTraceparent(parent) : parent);

/** What comes from outside may be recorded there; nobody who continues it from here records it. */
const notRecorded = (options: SpanOptions, before: Trace | undefined): SpanOptions => (before && options.outside ? { ...options, parent: { ...before, sampled: false } } : options);

class OtlpTracer implements Tracer {
  readonly #shared: Shared;
  readonly #service: string;
  readonly #tracer: RecordingTracer;
  /** The id that the next trace has to have. */
  #wantedTraceId: string | undefined;

  constructor(service: string, shared: Shared) {
    this.#service = service;
    this.#shared = shared;
    const { ids, instance, version } = shared.options;
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.namespace': 'mobility', 'service.name': service, 'service.instance.id': instance, 'service.version': version }),
      sampler: new AlwaysOnSampler(),
      spanProcessors: [shared.processor],
      idGenerator: { generateSpanId: newSpanId, generateTraceId: () => this.#wantedTraceId ?? newTraceId(ids) },
    });
    this.#tracer = provider.getTracer('mobility', version);
  }

  of(service: string): Tracer {
    return service === this.#service ? this : new OtlpTracer(service, this.#shared);
  }

  /**
   * The id of the trace that this is recorded in: as what it continues says, unless that is from outside; then, as for
   * what begins here, a share of the ids. Undefined when it is not recorded, which is decided before anything is made for it.
   */
  #recordedIn({ begins, outside }: SpanOptions, before: Trace | undefined): string | undefined {
    if (before && !outside) return before.sampled ? before.traceId : undefined;
    if (!before && !begins) return undefined;
    const { share, options } = this.#shared;
    const traceId = before?.traceId ?? newTraceId(options.ids);
    return share.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED ? traceId : undefined;
  }

  open(name: string, options: SpanOptions): OpenSpan {
    const before = continuedBy(options);
    const traceId = this.#recordedIn(options, before);
    return traceId === undefined ? this.#shared.passing.open(name, notRecorded(options, before)) : this.#record(name, options, before, traceId);
  }

  #record(name: string, { parent, kind, attributes, agoMs, ...options }: SpanOptions, before: Trace | undefined, traceId: string): Recorded {
    const context = before && before.spanId !== noSpanId ? api.setSpanContext(ROOT_CONTEXT, { traceId, spanId: before.spanId, traceFlags: TraceFlags.SAMPLED, isRemote: parent !== undefined }) : ROOT_CONTEXT;
    this.#wantedTraceId = traceId;
    const span = this.#tracer.startSpan(name, { kind: kinds[kind ?? 'internal'], ...(attributes && { attributes }), ...(agoMs !== undefined && { startTime: Date.now() - agoMs }) }, context);
    this.#wantedTraceId = undefined;
    const timer = options.timer ?? (parent === undefined ? before?.timer : undefined);
    return new Recorded(span, { traceId, spanId: span.spanContext().spanId, sampled: true, ...(timer !== undefined && { timer }) });
  }

  span<T>(name: string, options: SpanOptions, work: (span: Span) => T): T {
    const before = continuedBy(options);
    const traceId = this.#recordedIn(options, before);
    if (traceId === undefined) return this.#shared.passing.span(name, notRecorded(options, before), work);
    const open = this.#record(name, options, before, traceId);
    return runInTrace(open.trace, () => {
      try {
        const done = work(open);
        if (!(done instanceof Promise)) {
          open.end();
          return done;
        }
        return done.then(
          (value: unknown) => {
            open.end();
            return value;
          },
          (error: unknown) => {
            open.end(error);
            throw error;
          },
        ) as T;
      } catch (error) {
        open.end(error);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    const { processor, options } = this.#shared;
    const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), closeWithinMs).unref());
    const outcome = await Promise.race([processor.shutdown().catch((error: unknown) => ({ error })), late]);
    if (outcome !== undefined) options.logger.warn({ outcome }, 'the last spans cannot be exported; they are lost');
  }
}

/** Records a share of the traces, and passes the others on; nothing is recorded without a URL. */
export function openTracer(options: Omit<OtlpOptions, 'url'> & { url: string | undefined }): Tracer {
  const { url, ratio } = options;
  if (url === undefined) return passingTracer(options.ids);
  const given: OtlpOptions = { ...options, url };
  const exporter = watched(new OTLPTraceExporter({ url: `${url.replace(/\/$/, '')}/v1/traces`, timeoutMillis: exportTimeoutMs }), given);
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: queuedSpans, maxExportBatchSize: spansPerExport, scheduledDelayMillis: exportEveryMs, exportTimeoutMillis: exportTimeoutMs });
  return new OtlpTracer('mobility', { processor, share: new TraceIdRatioBasedSampler(ratio), passing: passingTracer(options.ids), options: given });
}
