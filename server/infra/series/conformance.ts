/** The contract suite of the series port: every adapter must pass it. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { manualClock } from '../clock/system.ts';
import { keepingPromises } from './conformance-policies.ts';
import { readingAndWriting } from './conformance-rows.ts';
import type { SeriesStore } from './port.ts';

export interface SeriesUnderTest {
  /** What all stores go by; it only moves forward. */
  clock: ReturnType<typeof manualClock>;
  /** The same data once more, as another process would open it. @param onStep told between the steps of a policy; what it throws cuts the step off */
  open(onStep?: (step: string) => void): Promise<SeriesStore>;
  close(): Promise<void>;
}

export function seriesConformance(name: string, start: () => Promise<SeriesUnderTest>): void {
  describe(`series: ${name}`, () => {
    let under: SeriesUnderTest;
    beforeAll(async () => {
      under = await start();
    });
    afterAll(() => under.close());
    readingAndWriting(() => under);
    keepingPromises(() => under);
  });
}
