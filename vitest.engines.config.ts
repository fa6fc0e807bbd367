import { defineConfig } from 'vitest/config';
import LongFirst from './tests/sequence.ts';

/** Contract suites and journeys on real engines: `npm run test:engines`. */
export default defineConfig({
  test: {
    include: ['{server,simulator,tests,tools}/**/*.engine.test.ts'],
    globalSetup: ['tests/engines-setup.ts', 'tests/global-setup.ts'],
    pool: 'forks',
    sequence: { sequencer: LongFirst },
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './tests/closing-words.ts'],
  },
});
