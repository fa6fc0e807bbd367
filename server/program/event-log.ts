/** The event log: LMDB in a folder, or the Kafka cluster that the configuration names. Kafka's client is loaded when it is chosen. */
import { join } from 'node:path';
import type { Clock } from '../infra/clock/port.ts';
import { openLmdbEventLog } from '../infra/events/lmdb.ts';
import type { EventLog } from '../infra/events/port.ts';
import type { Logger } from '../infra/observability/port.ts';
import { type Configuration, ConfigurationError } from './configuration.ts';

const hourMs = 3_600_000;

/** @throws ConfigurationError for settings that do not go together; Error when no broker answers */
export async function openEventLog({ configuration, clock, logger }: { configuration: Configuration; clock: Clock; logger: Logger }): Promise<EventLog> {
  const retentionMs = Object.fromEntries(Object.entries(configuration.MOBILITY_EVENT_RETENTION).map(([topic, hours]) => [topic, hours * hourMs]));
  const brokers = configuration.MOBILITY_KAFKA_BROKERS;
  if (brokers.length === 0) return openLmdbEventLog({ folder: join(configuration.MOBILITY_HOME, 'events'), clock, logger, retentionMs });
  const { openKafkaEventLog } = await import('../infra/events/kafka.ts');
  return openKafkaEventLog({
    brokers, clock, logger, retentionMs, prefix: configuration.MOBILITY_KAFKA_PREFIX, partitions: configuration.MOBILITY_KAFKA_PARTITIONS, flush: configuration.MOBILITY_KAFKA_FLUSH,
    ...(configuration.MOBILITY_KAFKA_REPLICAS !== undefined && { replicas: configuration.MOBILITY_KAFKA_REPLICAS }),
    ...security(configuration),
  });
}

function security(configuration: Configuration) {
  const { MOBILITY_KAFKA_CA: caFile, MOBILITY_KAFKA_CERTIFICATE: certificateFile, MOBILITY_KAFKA_KEY: keyFile, MOBILITY_KAFKA_USER: username, MOBILITY_KAFKA_PASSWORD: password } = configuration;
  if ((certificateFile === undefined) !== (keyFile === undefined)) throw new ConfigurationError('MOBILITY_KAFKA_CERTIFICATE and MOBILITY_KAFKA_KEY go together');
  if ((username === undefined) !== (password === undefined)) throw new ConfigurationError('MOBILITY_KAFKA_USER and MOBILITY_KAFKA_PASSWORD go together');
  const tls = configuration.MOBILITY_KAFKA_TLS || caFile !== undefined || certificateFile !== undefined;
  return {
    ...(tls && { tls: { ...(caFile !== undefined && { caFile }), ...(certificateFile !== undefined && { certificateFile }), ...(keyFile !== undefined && { keyFile }) } }),
    ...(username !== undefined && password !== undefined && { sasl: { mechanism: configuration.MOBILITY_KAFKA_SASL, username, password } }),
  };
}
