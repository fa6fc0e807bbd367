/** The ride on one process; `tests/topology` has it on many. */
import { startProgram } from './program.ts';
import { describeRide } from './ride-journey.ts';

describeRide('one process', () => startProgram());
