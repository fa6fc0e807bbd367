/** Removes old events from Kafka when every group that has ever read their topic has handled them, which Kafka's own retention does not wait for. */
import { deleteRecordsV2 } from '@platformatic/kafka';
import type { KafkaClient } from './kafka-client.ts';
import { committedOffsets, earliest, groupsOf, keyOf, latest, listOffsets, partitionsOf, withRetry } from './kafka-offsets.ts';

/**
 * @param beforeMs events that were appended before this, in milliseconds since 1970
 * @returns how many were removed
 */
export async function trimTopic(client: KafkaClient, topic: string, beforeMs: number): Promise<number> {
  if (!(await client.topic(topic))) return 0;
  const partitions = partitionsOf(client, topic);
  const [first, next, young] = await Promise.all([listOffsets(client, partitions, earliest), listOffsets(client, partitions, latest), listOffsets(client, partitions, BigInt(Math.floor(beforeMs)))]);
  const groups = await Promise.all((await groupsOf(client)).map((group) => committedOffsets(client, group, partitions)));
  const cuts = partitions.map((where) => {
    const key = keyOf(where.topic, where.partition);
    const firstYoung = young.get(key) ?? -1;
    const handled = groups.map((offsets) => offsets.get(key)?.offset ?? Number.POSITIVE_INFINITY);
    const from = first.get(key) ?? 0;
    return { ...where, from, to: Math.min(firstYoung >= 0 ? firstYoung : (next.get(key) ?? 0), ...handled) };
  }).filter(({ from, to }) => to > from);
  const byLeader = Map.groupBy(cuts, ({ partition }) => client.topics.get(topic)?.leaders[partition] ?? -1);
  await withRetry(client, () => Promise.all([...byLeader].map(async ([leader, own]) => deleteRecordsV2.api.async(
    await client.connection(leader),
    [{ name: `${client.prefix}${topic}`, partitions: own.map(({ partition, to }) => ({ partitionIndex: partition, offset: BigInt(to) })) }],
    client.options.requestTimeoutMs,
  ))));
  return cuts.reduce((sum, { from, to }) => sum + to - from, 0);
}
