/** The ride of `tests/journeys`, word for word, on a process for each target. */
import { describeRide } from '../journeys/ride-journey.ts';
import { startCluster } from './cluster.ts';

describeRide('a process for each target', () => startCluster());
