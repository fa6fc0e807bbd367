/** What is measured of an event log, whatever it stands on: what is appended and handled, how long that takes, how far groups are behind. */
import type { Clock } from '../clock/port.ts';
import type { Metrics, Reading } from '../observability/port.ts';
import type { CloudEvent, EventLog, SubscribeOptions } from './port.ts';

/** Nobody reads dead letters in the name of this group, so all of them are behind it. */
const nobody = 'metrics';

/** The figures of one group. */
function figuresOf(group: string, metrics: Metrics): { handled(events: readonly CloudEvent[], begunMs: number, nowMs: number): void; failed(begunMs: number): void } {
  const duration = (outcome: string) => metrics.seconds('mobility_consumer_duration_seconds', 'Time that a consumer took for a batch of events', { group, outcome });
  const [handled, failed] = [duration('handled'), duration('failed')];
  const age = metrics.seconds('mobility_consumer_event_age_seconds', 'From the moment of an event to the end of its handling; the oldest of each batch', { group });
  const seconds = (begunMs: number) => (performance.now() - begunMs) / 1000;
  const count = (outcome: string, by: number) => metrics.count('mobility_consumer_events_total', 'Events handed to a consumer, by what became of them', { group, outcome }, by);
  count('handled', 0);
  return {
    handled(events, begunMs, nowMs) {
      handled(seconds(begunMs));
      count('handled', events.length);
      const oldestMs = Math.min(...events.map(({ time }) => Date.parse(time)));
      if (Number.isFinite(oldestMs)) age(Math.max(0, nowMs - oldestMs) / 1000);
    },
    failed(begunMs) {
      failed(seconds(begunMs));
      count('failed', 1);
    },
  };
}

export function measuredEventLog(log: EventLog, { metrics, clock }: { metrics: Metrics; clock: Clock }): EventLog {
  const followed = new Map<string, { group: string; topic: string }>();
  const topics = new Set<string>();
  const read = (pairs: readonly { group: string; topic: string }[], labelled: (pair: { group: string; topic: string }) => Record<string, string>) => async (): Promise<Reading> =>
    Promise.all(pairs.map(async (pair) => ({ labels: labelled(pair), value: await log.lag(pair.group, pair.topic) })));
  metrics.gauge('mobility_consumer_lag_events', 'Events that a group has not acknowledged', () => read([...followed.values()], ({ group, topic }) => ({ group, topic }))());
  metrics.gauge('mobility_dead_letters', 'Events that were given up after their last attempt', () =>
    read([...topics].map((topic) => ({ group: nobody, topic: `${topic}.dead-letter` })), ({ topic }) => ({ topic: topic.replace(/\.dead-letter$/, '') }))());

  function measured(options: SubscribeOptions): SubscribeOptions {
    const { group, handle } = options;
    for (const topic of options.topics) {
      followed.set(`${group} ${topic}`, { group, topic });
      topics.add(topic);
    }
    const figures = figuresOf(group, metrics);
    return {
      ...options,
      async handle(events) {
        const begunMs = performance.now();
        try {
          await handle(events);
        } catch (error) {
          figures.failed(begunMs);
          throw error;
        }
        figures.handled(events, begunMs, clock.nowMs());
      },
    };
  }

  return {
    async append(topic, events) {
      await log.append(topic, events);
      metrics.count('mobility_events_appended_total', 'Events that are safe in the log', { topic }, events.length);
    },
    subscribe: (options) => log.subscribe(measured(options)),
    read: (topic, partition, offset, limit) => log.read(topic, partition, offset, limit),
    partitions: (topic) => log.partitions(topic),
    lag: (group, topic) => log.lag(group, topic),
    statistics: () => log.statistics(),
    close: () => log.close(),
  };
}
