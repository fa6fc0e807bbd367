/**
 * The event bus: a partitioned, durable log.
 *
 * Promises:
 * - events that `append` has resolved for survive a power cut; what one call appends for one key is there
 *   whole or not at all. When a call fails or its process is killed, some of its keys may have their events
 *   and others not: who appends again gives the same ids, and who handles knows them again;
 * - events with the same key are handed over in the order in which they were appended;
 * - every consumer group is given every event at least once; a handler that threw is given the batch
 *   again, with growing pauses, and after a second failure ever fewer events at once, until the event
 *   that fails is alone; after the last attempt it goes to the topic `<topic>.dead-letter` with the
 *   error, and the group goes on. What other partitions hold does not wait for it;
 * - a group continues where it stopped, also after a kill; a new group begins at the oldest event;
 * - the members of one group, in one process or several, share its partitions; no partition has two
 *   members at a time. A member that dies, or stands still for longer than its lease, loses its
 *   partitions; what it acknowledges after that changes nothing.
 */
export interface CloudEvent<Data = unknown> {
  specversion: '1.0';
  /** UUIDv7; what consumers remember to handle an event once. */
  id: string;
  /** The module that speaks: `/booking`. */
  source: string;
  /** `bookings.confirmed`. */
  type: string;
  /** The key for order: the booking's, vehicle's, rider's id. */
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  /** The version of the schema of `data`. */
  dataschemaversion: number;
  traceparent?: string;
  data: Data;
}

export interface SubscribeOptions {
  /** The consumer group, by convention the module's name. */
  group: string;
  topics: readonly string[];
  /** Handle in order; resolve when all are done. May be given the same events again. */
  handle(events: readonly CloudEvent[]): Promise<void>;
  maximumBatch?: number;
  /** Batches of different partitions that may be handled side by side. 1 unless given. */
  concurrency?: number;
  /**
   * Batches of the same partitions that may be handed over before the first of them is done; 1 unless given. `handle` is still called
   * in order, and batches are acknowledged in order; after a failure all from the failed one on are handed over again.
   */
  ahead?: number;
  /** Where a group that is new begins. */
  from?: 'oldest' | 'newest';
}

export interface Subscription {
  /** Stops after the batch in hand. */
  close(): Promise<void>;
}

export interface EventLog {
  /**
   * @param topic `bookings`; created when it does not exist
   * @throws RangeError, TypeError for what is no topic or no event, or is larger than the log takes; nothing was appended then
   */
  append(topic: string, events: readonly CloudEvent[]): Promise<void>;
  subscribe(options: SubscribeOptions): Subscription;
  /** Reads without a group: from an offset of one partition, for replay and tools. */
  read(topic: string, partition: number, offset: number, limit: number): Promise<{ offset: number; event: CloudEvent }[]>;
  partitions(topic: string): number;
  /** How many events the group has not acknowledged yet, over all partitions; all of them when it is new. */
  lag(group: string, topic: string): Promise<number>;
  /** Events ever appended, dead letters too, and ever acknowledged, counted for each group. */
  statistics(): Promise<{ published: number; handled: number }>;
  /** Closes the subscriptions, finishes the appends that were asked for, and refuses new ones. */
  close(): Promise<void>;
}
