/** A corner of the running engines for one cluster: its own topics, table and bucket. Its PostgreSQL is its own, since roles belong to a whole server. */
import { v7 } from 'uuid';
import { engineSetting } from '../../tools/engines/testing.ts';

const shared = ['MOBILITY_KAFKA_BROKERS', 'MOBILITY_REDIS_URL', 'MOBILITY_DYNAMODB_URL', 'MOBILITY_S3_URL', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

/** @throws Error when one of the engines is not there */
export function cornerOfEngines(): Record<string, string> {
  const name = `cluster-${v7().slice(-12)}`;
  return {
    ...Object.fromEntries(shared.map((setting) => [setting, engineSetting(setting)])),
    MOBILITY_KAFKA_PREFIX: `${name}.`, MOBILITY_KAFKA_PARTITIONS: '6', MOBILITY_DYNAMODB_TABLE: name, MOBILITY_S3_BUCKET: name,
  };
}
