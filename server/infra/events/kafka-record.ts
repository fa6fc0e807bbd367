/** Events as records of Kafka, by the Kafka protocol binding of CloudEvents 1.0: written in structured mode, read in both. */
import type { KafkaRecord, MessageRecord } from '@platformatic/kafka';
import type { CloudEvent } from './port.ts';

const structuredType = 'application/cloudevents+json';
const contentType = Buffer.from('content-type');
const structured = Buffer.from(`${structuredType}; charset=UTF-8`);
const traceParent = Buffer.from('traceparent');

/** What a record costs beside its value and key. */
const recordOverheadBytes = 100;

/** @throws TypeError for what is no event */
export function recordOf(topic: string, event: CloudEvent): MessageRecord {
  if (typeof event.subject !== 'string' || event.subject === '') throw new TypeError('an event needs a subject: it keeps the order');
  const headers = new Map([[contentType, structured]]);
  if (event.traceparent !== undefined) headers.set(traceParent, Buffer.from(event.traceparent));
  return { topic, key: Buffer.from(event.subject), value: Buffer.from(JSON.stringify(event)), headers };
}

export const bytesOf = ({ key, value }: MessageRecord): number => value.length + (key?.length ?? 0) + recordOverheadBytes;

/** @throws TypeError that says why the record is no event of ours */
export function eventOf(record: KafkaRecord): CloudEvent {
  const headers = new Map(record.headers.map(([name, value]) => [String(name ?? '').toLowerCase(), String(value ?? '')]));
  const isBinary = headers.has('ce_specversion');
  const value = record.value ?? Buffer.alloc(0);
  let said: unknown;
  try {
    said = JSON.parse(value.toString('utf8'));
  } catch (error) {
    throw new TypeError('the record is no JSON', { cause: error });
  }
  const event: Record<string, unknown> = isBinary ? binaryEvent(headers, said) : (said as Record<string, unknown>);
  if (typeof event !== 'object' || event === null) throw new TypeError('the record is no CloudEvent: it is no object');
  if (event['specversion'] !== '1.0') throw new TypeError(`the record is no CloudEvent 1.0: its specversion is ${JSON.stringify(event['specversion'])}`);
  for (const name of ['id', 'source', 'type', 'subject', 'time']) {
    if (typeof event[name] !== 'string' || event[name] === '') throw new TypeError(`the record is no event of ours: it has no ${name}`);
  }
  return event as unknown as CloudEvent;
}

/** Attributes are headers there, and the value is the data alone. */
function binaryEvent(headers: ReadonlyMap<string, string>, data: unknown): Record<string, unknown> {
  const event: Record<string, unknown> = { datacontenttype: 'application/json' };
  for (const [name, value] of headers) if (name.startsWith('ce_')) event[name.slice('ce_'.length)] = value;
  event['dataschemaversion'] = Number(event['dataschemaversion'] ?? 1);
  return { ...event, data };
}

/** What can be kept of a record that is no event, for the dead letter. */
export const rawRecord = ({ key, value, headers }: KafkaRecord): Record<string, unknown> => ({
  key: key?.toString('utf8') ?? null, valueBase64: value?.toString('base64') ?? null,
  headers: Object.fromEntries(headers.map(([name, header]) => [String(name ?? ''), String(header ?? '')])),
});
