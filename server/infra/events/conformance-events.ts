/** Events for the contract suite, also for its child processes: nothing here may need the test runner. */
import type { CloudEvent, EventLog } from './port.ts';

/** How the log under test is set. */
export const tested = { partitions: 4, maximumAttempts: 3, retryPauseMs: 20 };

/** @param key decides the partition @param number makes the event's id, with the key */
export function eventOf(key: string, number: number): CloudEvent {
  return {
    specversion: '1.0', id: `${key}/${number}`, source: '/conformance', type: 'things.happened', subject: key, time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json', dataschemaversion: 1, data: { number, text: 'Größe ✓' },
  };
}

/** The first events of a key. */
export const eventsOf = (key: string, count: number): CloudEvent[] => Array.from({ length: count }, (_, number) => eventOf(key, number));

export const idsOf = (events: readonly CloudEvent[]): string[] => events.map(({ id }) => id);

export const idsOfKey = (events: readonly CloudEvent[], key: string): string[] => idsOf(events.filter(({ subject }) => subject === key));

/** All events of a topic, partition by partition. */
export async function readAll(log: EventLog, topic: string): Promise<CloudEvent[][]> {
  return Promise.all(Array.from({ length: log.partitions(topic) }, async (_, partition) => {
    const events: CloudEvent[] = [];
    for (let offset = 0; ; ) {
      const read = await log.read(topic, partition, offset, 100);
      const last = read.at(-1);
      if (!last) return events;
      events.push(...read.map(({ event }) => event));
      offset = last.offset + 1;
    }
  }));
}
