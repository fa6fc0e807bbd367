/** All in one process. */
import { startProgram } from './program.ts';
import { describeUnlockTrace } from './unlock-trace.ts';

describeUnlockTrace('one process', 1, (environment) => startProgram({ environment }));
