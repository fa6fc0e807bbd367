/** The ride of `tests/journeys`, word for word, on a process for each target: over what processes of one machine share, and over engines. */
import { describeRide } from '../journeys/ride-journey.ts';
import { startCluster } from './cluster.ts';
import { cornerOfEngines } from './engines.ts';

describeRide('a process for each target', () => startCluster());
describeRide('a process for each target, two of each that keeps nothing in memory, over Kafka, Redis, DynamoDB and S3', () =>
  startCluster({ engines: cornerOfEngines(), replicas: { 'user': 2, 'booking': 2, 'payment': 2, 'payments-orchestrator': 2, 'incident': 2, 'rollout': 2 } }));
