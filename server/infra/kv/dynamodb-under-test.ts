import { systemClock } from '../clock/system.ts';
import { openDynamoKeyValueStore } from './dynamodb.ts';

/** The store in a table of the engine; the child processes of the contract suite import this. */
export const openAt = (location: string) => {
  const { url, tableName } = JSON.parse(location) as { url: string; tableName: string };
  return openDynamoKeyValueStore({ url, tableName, clock: systemClock() });
};
