/** Traces by OpenTelemetry, exported to a collector by OTLP: protobuf over HTTP. */
import { type Context, createContextKey, type Link, ROOT_CONTEXT, type Span as RecordedSpan, SpanKind, SpanStatusCode, trace as api, type Tracer as RecordingTracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, ParentBasedSampler, type ReadableSpan, type Sampler, type SpanExporter, type SpanProcessor, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import type { Attributes, Logger, Metrics, OpenSpan, Span, SpanOptions, Tracer } from './port.ts';
import { passingTracer, unrecorded, unrecordedSpan } from './passing-tracer.ts';
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
const outsideKey = createContextKey('from outside');

/** As the parent says, unless that is somebody from outside: then, as for traces that begin here, by a share of the ids. */
function samplerOf(ratio: number): Sampler {
  const byRatio = new TraceIdRatioBasedSampler(ratio);
  const byParent = new ParentBasedSampler({ root: byRatio });
  return {
    shouldSample: (context: Context, traceId, name, kind, attributes, links: Link[]) => (context.getValue(outsideKey) ? byRatio.shouldSample(context, traceId) : byParent.shouldSample(context, traceId, name, kind, attributes, links)),
    toString: () => `mobility(${ratio})`,
  };
}

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
  sampler: Sampler;
  options: OtlpOptions;
}

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
      sampler: shared.sampler,
      spanProcessors: [shared.processor],
      idGenerator: { generateSpanId: newSpanId, generateTraceId: () => this.#wantedTraceId ?? newTraceId(ids) },
    });
    this.#tracer = provider.getTracer('mobility', version);
  }

  of(service: string): Tracer {
    return service === this.#service ? this : new OtlpTracer(service, this.#shared);
  }

  open(name: string, options: SpanOptions): OpenSpan {
    const { parent, begins, outside } = options;
    const before = parent === undefined ? currentTrace() : typeof parent === 'string' ? readTraceparent(parent) : parent;
    if (!before && !begins) return unrecordedSpan(options, this.#shared.options.ids);
    // Not recorded up there, and that is what counts: nothing to make.
    if (before && !before.sampled && !outside) return unrecordedSpan({ ...options, parent: before }, this.#shared.options.ids);
    let context = before && before.spanId !== noSpanId ? api.setSpanContext(ROOT_CONTEXT, { traceId: before.traceId, spanId: before.spanId, traceFlags: before.sampled ? 1 : 0, isRemote: parent !== undefined }) : ROOT_CONTEXT;
    if (outside) context = context.setValue(outsideKey, true);
    this.#wantedTraceId = before?.traceId;
    const span = this.#tracer.startSpan(name, { kind: kinds[options.kind ?? 'internal'], ...(options.attributes && { attributes: options.attributes }), ...(options.agoMs !== undefined && { startTime: Date.now() - options.agoMs }) }, context);
    this.#wantedTraceId = undefined;
    const { traceId, spanId } = span.spanContext();
    const timer = options.timer ?? (parent === undefined ? before?.timer : undefined);
    const trace: Trace = { traceId, spanId, sampled: span.isRecording(), ...(timer !== undefined && { timer }) };
    if (!trace.sampled) return { ...unrecordedSpan({ parent: trace }, this.#shared.options.ids), trace };
    return new Recorded(span, trace);
  }

  span<T>(name: string, options: SpanOptions, work: (span: Span) => T): T {
    const open = this.open(name, options);
    const { trace } = open;
    if (!trace) return work(unrecorded);
    return runInTrace(options.timer === undefined ? trace : { ...trace, timer: options.timer }, () => {
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
  return new OtlpTracer('mobility', { processor, sampler: samplerOf(ratio), options: given });
}
