/** For tests: a collector that takes traces by OTLP (protobuf over HTTP) and remembers them. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

/** The part of opentelemetry-proto's trace service that the tests look at. */
const { root } = protobuf.parse(`
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
}
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }`);
const Request = root.lookupType('ExportTraceServiceRequest');

type Attribute = string | number | boolean;

interface DecodedAttribute {
  key: string;
  value?: { stringValue?: string; boolValue?: boolean; intValue?: number; doubleValue?: number };
}
interface DecodedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: DecodedAttribute[];
  status?: { code: number };
}
interface Decoded {
  resourceSpans: { resource: { attributes: DecodedAttribute[] }; scopeSpans: { spans: DecodedSpan[] }[] }[];
}

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for the first of a trace. */
  parentSpanId: string;
  service: string;
  instance: string;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  attributes: Record<string, Attribute>;
  failed: boolean;
  startedAtMs: number;
  endedAtMs: number;
}

export interface Collector {
  url: string;
  spans: ReceivedSpan[];
  /** Requests that came, answered or not. */
  requests: number;
  /** What it answers: 200 unless told otherwise; `nothing` leaves the connection open. */
  answers: 200 | 503 | 'nothing';
  close(): Promise<void>;
}

const hex = (base64 = ''): string => Buffer.from(base64, 'base64').toString('hex');
const attributesOf = (list: readonly DecodedAttribute[]): Record<string, Attribute> =>
  Object.fromEntries(list.map(({ key, value }) => [key, value?.stringValue ?? value?.boolValue ?? value?.intValue ?? value?.doubleValue ?? '']));
const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

export function readSpans(bytes: Uint8Array): ReceivedSpan[] {
  const decoded = Request.toObject(Request.decode(bytes), { bytes: String, longs: String, arrays: true }) as Decoded;
  return decoded.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const ofResource = attributesOf(resource.attributes);
    return scopeSpans.flatMap(({ spans }) => spans.map((span): ReceivedSpan => ({
      traceId: hex(span.traceId), spanId: hex(span.spanId), parentSpanId: hex(span.parentSpanId), service: String(ofResource['service.name']), instance: String(ofResource['service.instance.id']),
      name: span.name, kind: kinds[span.kind] ?? 'internal', attributes: attributesOf(span.attributes), failed: span.status?.code === 2,
      startedAtMs: Number(BigInt(span.startTimeUnixNano) / 1000n) / 1000, endedAtMs: Number(BigInt(span.endTimeUnixNano) / 1000n) / 1000,
    })));
  });
}

/** Listens on a free port. */
export async function startCollector(): Promise<Collector> {
  const collector: Collector = { url: '', spans: [], requests: 0, answers: 200, close: async () => undefined };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      collector.requests++;
      if (collector.answers === 'nothing') return;
      if (collector.answers === 200 && request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf') collector.spans.push(...readSpans(Buffer.concat(chunks)));
      response.writeHead(collector.answers, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  collector.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return collector;
}
