/** Device shadows on AWS IoT's topics: kept in the key-value store, changed by one writer at a time, also between processes. */
import { z } from 'zod';
import type { Clock } from '../../infra/clock/port.ts';
import type { KeyValueStore, KeyValueTable } from '../../infra/kv/port.ts';
import type { Logger } from '../../infra/observability/port.ts';
import { changed, deltaOf, isDeeperThan, isObject, type JsonObject, maximumShadowBytes, maximumShadowDepth, metadataOf, type Shadow, type ShadowChange } from '../domain/shadow.ts';
import type { ThingMessage, ThingService } from '../thing-messages.ts';

/** A refusal with AWS IoT's code, which is HTTP's. */
export class ShadowRefused extends Error {
  readonly code: 400 | 404 | 409 | 413 | 500;

  constructor(code: ShadowRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What is stored; a deleted shadow leaves its version behind. */
interface Stored {
  shadow?: Shadow;
  lastVersion: number;
}

const Section = z.record(z.string(), z.unknown()).nullable().optional();
const UpdateRequest = z.object({ state: z.strictObject({ desired: Section, reported: Section }), version: z.int().optional(), clientToken: z.string().max(64).optional() });
const OtherRequest = z.object({ clientToken: z.string().max(64).optional() });
const topicOf = /^\$aws\/things\/([^/]+)\/shadow\/(?:name\/([^/]+)\/)?(get|update|delete)$/;
const shadowName = /^[A-Za-z0-9:_-]{1,64}$/;
const deletedIsRememberedForMs = 48 * 3_600_000;
/** Another process may have written in between so often. */
const mostTries = 100;
/** The whole request: state, version and token. */
const maximumRequestBytes = maximumShadowBytes + 512;

export interface Updated {
  previous: Shadow | undefined;
  current: Shadow;
}

const bytes = (content: object): Uint8Array => Buffer.from(JSON.stringify(content));

export class Shadows implements ThingService {
  readonly #table: KeyValueTable<Stored>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The last change of each shadow in this process: the next waits for it. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor({ kv, clock, logger }: { kv: KeyValueStore; clock: Clock; logger: Logger }) {
    this.#table = kv.table('shadows');
    this.#clock = clock;
    this.#logger = logger;
  }

  handle(thing: string, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[]> | undefined {
    const [, named, name, operation] = topicOf.exec(topic) ?? [];
    if (named !== thing || operation === undefined) return undefined;
    return this.#answer(thing, name, operation, topic, payload);
  }

  async #answer(thing: string, name: string | undefined, operation: string, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[]> {
    let clientToken: string | undefined;
    try {
      if (name !== undefined && !shadowName.test(name)) throw new ShadowRefused(400, 'Invalid shadow name');
      if (payload.byteLength > maximumRequestBytes) throw new ShadowRefused(413, 'The payload is larger than a shadow may be');
      const request = jsonOf(payload, operation !== 'update');
      const { success, data } = OtherRequest.safeParse(request);
      if (!success) throw new ShadowRefused(400, 'The request is no JSON object, or its clientToken no text of at most 64 characters');
      clientToken = data.clientToken;
      if (operation === 'get') return [accepted(topic, shown(await this.get(thing, name)), clientToken)];
      if (operation === 'delete') return [accepted(topic, await this.#delete(thing, name), clientToken)];
      return await this.#updateAsAsked(thing, name, topic, request, clientToken);
    } catch (error) {
      const isExpected = error instanceof ShadowRefused;
      if (!isExpected) this.#logger.error({ error, thing, topic }, 'a shadow cannot be served');
      const { code, message } = isExpected ? error : { code: 500, message: 'Internal error' };
      return [{ topic: `${topic}/rejected`, payload: bytes({ code, message, timestamp: this.#seconds(), ...(clientToken !== undefined && { clientToken }) }) }];
    }
  }

  async #updateAsAsked(thing: string, name: string | undefined, topic: string, request: unknown, clientToken: string | undefined): Promise<readonly ThingMessage[]> {
    const parsed = UpdateRequest.safeParse(request);
    if (!parsed.success) throw new ShadowRefused(400, parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
    const change = parsed.data.state as ShadowChange;
    const updated = await this.update(thing, name, change, parsed.data.version);
    const { current } = updated;
    const metadata = Object.fromEntries((['desired', 'reported'] as const).flatMap((section) => (change[section] ? [[section, metadataOf(withoutNulls(change[section]), current.metadata[section] ?? {})]] : [])));
    return [accepted(topic, { state: change, metadata, version: current.version, timestamp: current.timestamp }, clientToken), ...followUps(topic, updated, clientToken)];
  }

  /** @throws ShadowRefused 404 */
  async get(thing: string, name?: string): Promise<Shadow> {
    const shadow = (await this.#table.get(keyOf(thing, name)))?.value.shadow;
    if (!shadow) throw new ShadowRefused(404, `No shadow exists with name: '${name === undefined ? thing : `${thing}~${name}`}'`);
    return shadow;
  }

  /**
   * @param version change it only when it is still this one
   * @throws ShadowRefused 400 too deep, 409 another version, 413 too large
   */
  update(thing: string, name: string | undefined, change: ShadowChange, version?: number): Promise<Updated> {
    return this.#alone(thing, name, (stored) => {
      if (version !== undefined && version !== stored.lastVersion) throw new ShadowRefused(409, 'Version conflict');
      for (const section of [change.desired, change.reported]) if (section && isDeeperThan(maximumShadowDepth, section)) throw new ShadowRefused(400, `JSON contains too many levels of nesting; maximum is ${maximumShadowDepth}`);
      const current = changed(stored.shadow, stored.lastVersion, change, this.#seconds());
      if (Buffer.byteLength(JSON.stringify(current.state)) > maximumShadowBytes) throw new ShadowRefused(413, 'The shadow would be larger than it may be');
      return { write: { shadow: current, lastVersion: current.version }, result: { previous: stored.shadow, current } };
    });
  }

  /** Updates from the platform's side. @returns what the vehicle has to be told, besides */
  async want(thing: string, name: string | undefined, desired: JsonObject, version?: number): Promise<{ current: Shadow; messages: ThingMessage[] }> {
    const updated = await this.update(thing, name, { desired }, version);
    const topic = `$aws/things/${thing}/shadow/${name === undefined ? '' : `name/${name}/`}update`;
    return { current: updated.current, messages: followUps(topic, updated, undefined) };
  }

  #delete(thing: string, name: string | undefined): Promise<{ version: number; timestamp: number }> {
    return this.#alone(thing, name, ({ shadow }) => {
      if (!shadow) throw new ShadowRefused(404, `No shadow exists with name: '${name === undefined ? thing : `${thing}~${name}`}'`);
      return { write: { lastVersion: shadow.version }, result: { version: shadow.version, timestamp: this.#seconds() }, expiresAtMs: this.#clock.nowMs() + deletedIsRememberedForMs };
    });
  }

  #seconds = (): number => Math.floor(this.#clock.nowMs() / 1000);

  /** Reads, decides and writes; again when another process was quicker. In this process, one after the other. */
  async #alone<T>(thing: string, name: string | undefined, decide: (stored: Stored) => { write: Stored; result: T; expiresAtMs?: number }): Promise<T> {
    const key = keyOf(thing, name);
    const turn = (this.#queues.get(key) ?? Promise.resolve()).then(() => this.#try(key, decide));
    const settled = turn.catch(() => undefined);
    this.#queues.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(key) === settled) this.#queues.delete(key);
    }
  }

  async #try<T>(key: string, decide: (stored: Stored) => { write: Stored; result: T; expiresAtMs?: number }): Promise<T> {
    for (let attempt = 0; attempt < mostTries; attempt++) {
      const item = await this.#table.get(key);
      const { write, result, expiresAtMs } = decide(item?.value ?? { lastVersion: 0 });
      const condition = item ? { version: item.version } : ({ absent: true } as const);
      if ((await this.#table.put(key, write, { condition, ...(expiresAtMs !== undefined && { expiresAtMs }) })) !== undefined) return result;
    }
    throw new ShadowRefused(500, 'The shadow changes too often');
  }
}

const keyOf = (thing: string, name: string | undefined): string => `${thing}/${name ?? ''}`;

/** A shadow as `get` answers it: with what is wanted and not so yet. */
export function shown({ state, metadata, version, timestamp }: Shadow): Shadow & { state: Shadow['state'] & { delta?: JsonObject } } {
  const delta = state.desired && deltaOf(state.desired, state.reported ?? {});
  return { state: { ...state, ...(delta && { delta }) }, metadata, version, timestamp };
}

function withoutNulls(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null).map(([key, member]) => [key, isObject(member) ? withoutNulls(member) : member]));
}

function jsonOf(payload: Uint8Array, mayBeEmpty: boolean): unknown {
  if (mayBeEmpty && payload.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw new ShadowRefused(400, 'Invalid JSON');
  }
}

const accepted = (topic: string, content: object, clientToken: string | undefined): ThingMessage => ({ topic: `${topic}/accepted`, payload: bytes({ ...content, ...(clientToken !== undefined && { clientToken }) }) });

/** What follows from an update: the difference, when there is one, and the document before and after. */
function followUps(topic: string, { previous, current }: Updated, clientToken: string | undefined): ThingMessage[] {
  const token = clientToken === undefined ? {} : { clientToken };
  const { state, metadata, version, timestamp } = current;
  const delta = state.desired && deltaOf(state.desired, state.reported ?? {});
  const documents = { previous: previous ? { state: previous.state, metadata: previous.metadata, version: previous.version } : { state: {}, metadata: {} }, current: { state, metadata, version }, timestamp, ...token };
  return [
    ...(delta ? [{ topic: `${topic}/delta`, payload: bytes({ version, timestamp, state: delta, metadata: metadataOf(delta, metadata.desired ?? {}), ...token }) }] : []),
    { topic: `${topic}/documents`, payload: bytes(documents) },
  ];
}
