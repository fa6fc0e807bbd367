import { tested } from './conformance-events.ts';
import { openKafkaEventLog } from './kafka.ts';

/** The log at `brokers/prefix`, with the settings of the contract suite; its child processes import this. */
export const openAt = (location: string) => {
  const [brokers = '', prefix = ''] = location.split('/');
  return openKafkaEventLog({ brokers: brokers.split(','), prefix, ...tested, maximumRetryPauseMs: 1000 });
};
