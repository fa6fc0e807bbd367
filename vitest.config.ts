import { defineConfig } from 'vitest/config';
import LongFirst from './tests/sequence.ts';

export default defineConfig({
  test: {
    include: ['{server,simulator,edge,libs,tools,tests,bench}/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
    // Those need engines: `npm run test:engines` runs them.
    exclude: ['**/node_modules/**', '**/*.engine.test.ts'],
    globalSetup: ['tests/global-setup.ts'],
    pool: 'forks',
    sequence: { sequencer: LongFirst },
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', './tests/closing-words.ts'],
  },
});
