/**
 * A key-value store on DynamoDB. One table of DynamoDB holds all tables of the port.
 *
 * Partition key: the table's name and one of eight shards, by a digest of the key; sort key: the key, which DynamoDB
 * orders by its UTF-8 bytes as the port wants. A table of the port is so spread over eight partitions from its first
 * item on, also when its keys grow in order; the price is that `list` merges eight queries, each of which is read only
 * as far as it is needed.
 */
import { hash, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type AttributeValue, BatchGetItemCommand, ConditionalCheckFailedException, DynamoDBClient, GetItemCommand, QueryCommand, UpdateItemCommand, type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { Problem } from '../../wire/problem.ts';
import { clientOptions, metadataOf, rethrow, wasTriedBefore } from '../aws.ts';
import type { Clock } from '../clock/port.ts';
import { checkedKey, checkedLimit, checkedTableName, checkedTime, jsonOf } from './checks.ts';
import { ensureTable } from './dynamodb-table.ts';
import { inKeyOrder, mergeInOrder } from './merge.ts';
import type { KeyValueItem, KeyValueStore, KeyValueTable, WriteCondition } from './port.ts';

const service = 'DynamoDB';
const shards = 8;
/** It answers within some ten milliseconds; who waits for longer waits for nothing. */
const requestTimeoutMs = 4_000;
const keysPerBatch = 100;
const batchAttempts = 8;
/** What is deleted or expired leaves its version behind for so long; see `base` in `#update`. */
const versionKeptForMs = 24 * 3_600_000;

type Item = Record<string, AttributeValue>;

interface Connection {
  client: DynamoDBClient;
  tableName: string;
  clock: Clock;
}

/** A change of one item: the expression and its names and values, without those that every change has. */
interface Change {
  set: string;
  remove: string;
  values: Record<string, AttributeValue>;
}

const number = (value: number): AttributeValue => ({ N: String(value) });
const secondsAfter = (ms: number): AttributeValue => number(Math.ceil((ms + versionKeptForMs) / 1000));

const names = { '#json': 'json', '#version': 'version', '#writer': 'writer', '#expires': 'expiresAtMs', '#ttl': 'ttl' };
const alive = 'attribute_exists(#json) AND (attribute_not_exists(#expires) OR #expires > :now)';

class DynamoTable<Value> implements KeyValueTable<Value> {
  readonly #connection: Connection;
  readonly #name: string;

  constructor(connection: Connection, name: string) {
    this.#connection = connection;
    this.#name = name;
  }

  async get(key: string): Promise<KeyValueItem<Value> | undefined> {
    const { client, tableName } = this.#connection;
    const { Item: item } = await client.send(new GetItemCommand({ TableName: tableName, Key: this.#address(key), ConsistentRead: true })).catch((error: unknown) => rethrow(service, error));
    return this.#alive(item);
  }

  async getMany(keys: readonly string[]): Promise<(KeyValueItem<Value> | undefined)[]> {
    const wanted = [...new Set(keys)];
    const addresses = wanted.map((key) => this.#address(key));
    const batches = Array.from({ length: Math.ceil(wanted.length / keysPerBatch) }, (_, index) => addresses.slice(index * keysPerBatch, (index + 1) * keysPerBatch));
    const found = new Map<string, KeyValueItem<Value>>();
    for (const items of await Promise.all(batches.map((batch) => this.#batch(batch)))) {
      for (const item of items.flatMap((each) => this.#alive(each) ?? [])) found.set(item.key, item);
    }
    // What was asked for twice is two values: a reader that changes one changes nothing in the other.
    return keys.map((key, index) => {
      const item = found.get(key);
      return item && keys.indexOf(key) !== index ? structuredClone(item) : item;
    });
  }

  /** DynamoDB gives back what it had no time for; that is asked for again after a pause. */
  async #batch(addresses: readonly Item[]): Promise<Item[]> {
    const { client, tableName } = this.#connection;
    const found: Item[] = [];
    let left = [...addresses];
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt > 0) await pause(Math.random() * Math.min(1_000, 25 * 2 ** attempt));
      const answer = await client.send(new BatchGetItemCommand({ RequestItems: { [tableName]: { Keys: left, ConsistentRead: true } } })).catch((error: unknown) => rethrow(service, error));
      const items = answer.Responses?.[tableName] ?? [];
      found.push(...items);
      left = answer.UnprocessedKeys?.[tableName]?.Keys ?? [];
      if (items.length > 0) attempt = 0;
      if (attempt >= batchAttempts) throw new Problem('unavailable', `${service} takes no more requests at the moment`);
    }
    return found;
  }

  async put(key: string, value: Value, options: { condition?: WriteCondition; expiresAtMs?: number } = {}): Promise<number | undefined> {
    const { condition } = options;
    const expiresAtMs = checkedTime(options.expiresAtMs);
    const values: Item = { ':json': { S: jsonOf(value) } };
    if (expiresAtMs === undefined) return this.#update(key, { set: '#json = :json', remove: ' REMOVE #expires, #ttl', values }, condition);
    Object.assign(values, { ':expires': number(expiresAtMs), ':ttl': secondsAfter(expiresAtMs) });
    return this.#update(key, { set: '#json = :json, #expires = :expires, #ttl = :ttl', remove: '', values }, condition);
  }

  /** What is deleted stays for a day without a value, so that its versions go on. */
  async delete(key: string, options: { condition?: { version: number } } = {}): Promise<boolean> {
    const values = { ':ttl': secondsAfter(this.#connection.clock.nowMs()) };
    const done = await this.#update(key, { set: '#ttl = :ttl', remove: ' REMOVE #json, #expires', values }, options.condition ?? 'present');
    return done !== undefined || options.condition === undefined;
  }

  /** One atomic step on the server. @returns the new version; undefined when the condition did not hold */
  async #update(key: string, change: Change, condition: WriteCondition | 'present' | undefined): Promise<number | undefined> {
    const { client, tableName, clock } = this.#connection;
    const nowMs = clock.nowMs();
    const writer = randomUUID();
    const request: UpdateItemCommandInput = {
      TableName: tableName, Key: this.#address(key), ReturnValues: 'UPDATED_NEW', ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      UpdateExpression: `SET ${change.set}, #writer = :writer, #version = if_not_exists(#version, :base) + :one${change.remove}`,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: {
        ...change.values, ':writer': { S: writer }, ':one': number(1),
        // Microseconds: a key whose last version is forgotten begins above it, unless it was written a million times a second.
        ':base': number(Math.floor(nowMs * 1000)),
      },
    };
    restrict(request, condition, nowMs);
    try {
      const { Attributes: written } = await client.send(new UpdateItemCommand(request));
      return Number(written?.['version']?.N);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) return rethrow(service, error);
      if (!wasTriedBefore(metadataOf(error))) return undefined;
      // The answer to our first attempt was lost, and the second met what the first had written.
      if (error.Item?.['writer']?.S === writer) return Number(error.Item['version']?.N);
      throw new Problem('unavailable', `${service} has not said whether ${this.#name} ${key} was written`, { cause: error });
    }
  }

  async list(options: { prefix?: string; after?: string; limit?: number } = {}): Promise<KeyValueItem<Value>[]> {
    const { prefix = '', after = '' } = options;
    const limit = checkedLimit(options.limit);
    // Where a page begins has to be within what is asked for.
    const startsWithin = after.startsWith(prefix);
    if (!startsWithin && inKeyOrder(after, prefix) > 0) return [];
    const pageSize = Math.ceil((limit / shards) * 1.5) + 8;
    const pages = Array.from({ length: shards }, (_, shard) => this.#shard(shard, { prefix, after: startsWithin ? after : '', pageSize }));
    return mergeInOrder(pages, limit);
  }

  /** The living items of one shard in order, page by page as they are needed. */
  async *#shard(shard: number, { prefix, after, pageSize }: { prefix: string; after: string; pageSize: number }): AsyncGenerator<KeyValueItem<Value>> {
    const { client, tableName } = this.#connection;
    const partition = { S: this.#partition(shard) };
    let start: Item | undefined = after === '' ? undefined : { partition, key: { S: after } };
    do {
      const { Items: items = [], LastEvaluatedKey: last } = await client.send(new QueryCommand({
        TableName: tableName, ConsistentRead: true, Limit: pageSize, ExclusiveStartKey: start,
        KeyConditionExpression: prefix === '' ? '#partition = :partition' : '#partition = :partition AND begins_with(#key, :prefix)',
        ExpressionAttributeNames: { '#partition': 'partition', ...(prefix !== '' && { '#key': 'key' }) },
        ExpressionAttributeValues: { ':partition': partition, ...(prefix !== '' && { ':prefix': { S: prefix } }) },
      })).catch((error: unknown) => rethrow(service, error));
      for (const item of items) {
        const living = this.#alive(item);
        if (living) yield living;
      }
      start = last;
    } while (start);
  }

  #alive(item: Item | undefined): KeyValueItem<Value> | undefined {
    const json = item?.['json']?.S;
    if (!item || json === undefined) return undefined;
    const expiresAtMs = item['expiresAtMs']?.N;
    if (expiresAtMs !== undefined && Number(expiresAtMs) <= this.#connection.clock.nowMs()) return undefined;
    return { key: item['key']?.S ?? '', value: JSON.parse(json) as Value, version: Number(item['version']?.N) };
  }

  #partition(shard: number): string {
    return `${this.#name}/${shard}`;
  }

  #address(key: string): { partition: AttributeValue; key: AttributeValue } {
    checkedKey(key);
    const shard = Number.parseInt(hash('md5', key).slice(0, 4), 16) % shards;
    return { partition: { S: this.#partition(shard) }, key: { S: key } };
  }
}

function restrict(request: UpdateItemCommandInput, condition: WriteCondition | 'present' | undefined, nowMs: number): void {
  if (condition === undefined) return;
  const values = request.ExpressionAttributeValues ?? {};
  values[':now'] = number(nowMs);
  if (condition === 'present') request.ConditionExpression = alive;
  else if ('absent' in condition) request.ConditionExpression = `NOT (${alive})`;
  else {
    values[':expected'] = number(condition.version);
    request.ConditionExpression = `#version = :expected AND ${alive}`;
  }
}

/**
 * Opens the store in a table of DynamoDB, which is made when it is not there and we may make it.
 * @param options.url of a stand-in; Amazon's own without it
 */
export async function openDynamoKeyValueStore(options: { tableName: string; url?: string | undefined; clock: Clock }): Promise<KeyValueStore> {
  const client = new DynamoDBClient(clientOptions({ url: options.url, requestTimeoutMs }));
  await ensureTable(client, options.tableName);
  const connection = { client, tableName: options.tableName, clock: options.clock };
  return {
    table<Value>(name: string): KeyValueTable<Value> {
      return new DynamoTable<Value>(connection, checkedTableName(name));
    },
    close: async () => client.destroy(),
  };
}
