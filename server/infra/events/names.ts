/** What every adapter refuses in the same words. */
import type { SubscribeOptions } from './port.ts';

const topicName = /^[a-z0-9][a-z0-9.-]{0,199}$/;
const groupName = /^[a-z0-9][a-z0-9._-]{0,199}$/;

/** @throws RangeError */
export function checkTopic(topic: string): void {
  if (!topicName.test(topic)) throw new RangeError(`a topic has lower case letters, digits, dots and dashes, not ${JSON.stringify(topic)}`);
}

/** @throws RangeError */
export function checkSubscription(options: SubscribeOptions): void {
  options.topics.forEach(checkTopic);
  if (!groupName.test(options.group)) throw new RangeError(`not a name of a group: ${JSON.stringify(options.group)}`);
  for (const [name, value] of Object.entries({ maximumBatch: options.maximumBatch ?? 1, concurrency: options.concurrency ?? 1, ahead: options.ahead ?? 1 })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a whole number above 0, not ${value}`);
  }
}

/** @throws RangeError */
export function checkReading(topic: string, partitions: number, { partition, offset, limit }: { partition: number; offset: number; limit: number }): void {
  if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions)) throw new RangeError(`${topic} has ${partitions} partitions, none with the number ${partition}`);
  if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`an offset is a whole number from 0 on, not ${offset}`);
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a whole number above 0, not ${limit}`);
}
