/** A process for each target: gateway, booking, vehicle, iot, and the vehicles beside the platform. */
import { describeUnlockTrace } from '../journeys/unlock-trace.ts';
import { startCluster } from './cluster.ts';

describeUnlockTrace('a process for each target', 5, (environment) => startCluster({ environment }));
