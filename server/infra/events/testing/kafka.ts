/** Logs on a Kafka that tests share: each has a prefix of its own, and its topics are removed after it. */
import { randomUUID } from 'node:crypto';
import { Admin } from '@platformatic/kafka';
import type { EventLogUnderTest } from '../conformance.ts';
import { openAt } from '../kafka-under-test.ts';

export const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;

/** Topics of a prefix, gone. */
export async function removeTopics(brokers: string, prefix: string): Promise<void> {
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: brokers.split(',') });
  const topics = (await admin.listTopics()).filter((name) => name.startsWith(prefix));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.close();
}

export const underTestOn = (brokers: () => string) => async (): Promise<EventLogUnderTest> => {
  const prefix = newPrefix();
  const location = `${brokers()}/${prefix}`;
  const opened: EventLogUnderTest = {
    log: await openAt(location),
    location,
    async reopen() {
      await opened.log.close();
      opened.log = await openAt(location);
      return opened.log;
    },
    async cleanUp() {
      await opened.log.close();
      await removeTopics(brokers(), prefix);
    },
  };
  return opened;
};
