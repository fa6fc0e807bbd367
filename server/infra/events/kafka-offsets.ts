/** Where partitions begin and end, and how far groups are. */
import { type Connection, listGroupsV5, listOffsetsV9, ListOffsetTimestamps, offsetFetchV9 } from '@platformatic/kafka';
import { errorCodeOf, errors, isCountedOut, isRefusal, type KafkaClient } from './kafka-client.ts';

/** `topic/partition`, the topic without the prefix. */
export const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface Committed {
  offset: number;
  /** How many events the group has handled of this partition since it is new. It travels with the offset, in its metadata. */
  handled: number;
}

export const earliest = ListOffsetTimestamps.EARLIEST;
export const latest = ListOffsetTimestamps.LATEST;
const noOffset = -1;
const retryPauseMs = 50;

/** Asks again, with what is newly known of the cluster, until the time of one answer is over. @throws what it threw last */
export async function withRetry<Answer>(client: KafkaClient, ask: () => Promise<Answer>): Promise<Answer> {
  const deadline = performance.now() + client.options.requestTimeoutMs;
  for (let failures = 0; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      if (isRefusal(error) || isCountedOut(error) || client.isClosed || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, retryPauseMs * 2 ** failures)));
      await client.refresh().catch(() => undefined);
    }
  }
}

/** The offset of each partition at a moment: `earliest`, `latest`, or milliseconds since 1970. By key; -1 where nothing is that young. */
export function listOffsets(client: KafkaClient, partitions: readonly TopicPartition[], timestamp: bigint): Promise<Map<string, number>> {
  return withRetry(client, async () => {
    const byLeader = Map.groupBy(partitions, ({ topic, partition }) => client.topics.get(topic)?.leaders[partition] ?? noOffset);
    const answers = await Promise.all([...byLeader].map(async ([leader, own]) => {
      const byTopic = Map.groupBy(own, ({ topic }) => topic);
      const request = [...byTopic].map(([topic, entries]) => ({ name: `${client.prefix}${topic}`, partitions: entries.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp })) }));
      return listOffsetsV9.api.async(await client.connection(leader), -1, 0, request);
    }));
    return new Map(answers.flatMap(({ topics }) => topics.flatMap(({ name, partitions: found }) => found.map(({ partitionIndex, offset }) => [keyOf(name.slice(client.prefix.length), partitionIndex), Number(offset)] as const))));
  });
}

/** Calls the broker that keeps the group, and looks for it anew when that fails. */
export function withCoordinator<Answer>(client: KafkaClient, group: string, ask: (connection: Connection) => Promise<Answer>): Promise<Answer> {
  return withRetry(client, async () => {
    try {
      return await ask(await client.coordinator(group));
    } catch (error) {
      client.forgetCoordinator(group);
      throw error;
    }
  });
}

const parseHandled = (metadata: string | null | undefined): number => {
  const handled = Number(metadata);
  return Number.isSafeInteger(handled) && handled > 0 ? handled : 0;
};

/** How far a group is, by key; partitions that it has never been given are not there. @param topics all unless given */
export async function committedOffsets(client: KafkaClient, group: string, topics?: readonly TopicPartition[], member?: () => { memberId: string; memberEpoch: number }): Promise<Map<string, Committed>> {
  const byTopic = topics && Map.groupBy(topics, ({ topic }) => topic);
  const request = byTopic ? [...byTopic].map(([topic, entries]) => ({ name: `${client.prefix}${topic}`, partitionIndexes: entries.map(({ partition }) => partition) })) : null;
  const answer = await withCoordinator(client, group, async (connection) => {
    try {
      return await offsetFetchV9.api.async(connection, [{ groupId: `${client.prefix}${group}`, ...(member?.() ?? { memberId: null, memberEpoch: -1 }), topics: request }], true);
    } catch (error) {
      // Nobody has ever read by this name.
      if (errorCodeOf(error) === errors.groupIdNotFound) return undefined;
      throw error;
    }
  });
  const entries = answer?.groups.flatMap((found) => found.topics.flatMap(({ name, partitions }) => partitions
    .filter(({ committedOffset }) => committedOffset >= 0n)
    .map(({ partitionIndex, committedOffset, metadata }) => [keyOf(name.slice(client.prefix.length), partitionIndex), { offset: Number(committedOffset), handled: parseHandled(metadata) }] as const))) ?? [];
  return new Map(entries.filter(([key]) => !key.startsWith('/')));
}

/** The groups of this prefix that have offsets or members, without the prefix. */
export async function groupsOf(client: KafkaClient): Promise<string[]> {
  const answers = await withRetry(client, () => Promise.all(client.brokerIds.map(async (id) => listGroupsV5.api.async(await client.connection(id), [], []))));
  const names = answers.flatMap(({ groups }) => groups.map(({ groupId }) => groupId)).filter((name) => name.startsWith(client.prefix));
  return [...new Set(names)].map((name) => name.slice(client.prefix.length));
}

export const partitionsOf = (client: KafkaClient, topic: string): TopicPartition[] => (client.topics.get(topic)?.leaders ?? []).map((_, partition) => ({ topic, partition }));
