/**
 * The order of the test files: those that take long begin first, so that the others fill the time beside them. Without it a fresh
 * clone, which remembers no durations, would begin the longest last and wait for it with one processor idle.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Whole programs that wait for what time brings, and programs that read the whole house; the longest first. */
const longFirst = [
  'tests/journeys/update.test.ts', 'tests/house.test.ts', 'tests/chaos/', 'tests/topology/', 'tests/journeys/', 'tests/security/', 'tests/deploy/', 'tools/new-module/', 'tools/', 'server/infra/',
];

const rank = ({ moduleId }: TestSpecification): number => {
  const found = longFirst.findIndex((part) => moduleId.includes(`/${part}`));
  return found === -1 ? longFirst.length : found;
};

export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
