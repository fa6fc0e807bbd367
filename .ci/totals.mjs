/**
 * Sums the reports of several runs: `node .ci/totals.mjs REPORT.json …`. Says for each what failed; last line: the totals.
 * Ends with 1 unless every report is there, and each has passed tests and none that failed.
 * Plain JavaScript without dependencies: it has to work when installing them did not.
 */
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

const inState = (tests, ...states) => tests.filter(({ status }) => states.includes(status));

/** A file that could not even be loaded counts as one failed test: its tests were never seen. So does a run without a report. */
function readTests(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
    if (!Array.isArray(report.testResults)) throw new Error('no report');
  } catch {
    return [{ status: 'failed', fullName: 'the run ended without a report; the reason is above' }];
  }
  const tests = report.testResults.flatMap((file) => {
    const name = relative(process.cwd(), file.name);
    if (file.assertionResults.length === 0 && file.status === 'failed') return [{ status: 'failed', fullName: `${name}: could not be loaded` }];
    return file.assertionResults.map(({ status, fullName }) => ({ status, fullName: `${name}: ${fullName}` }));
  });
  // An error outside of every test, such as one that nobody awaited, fails the run though no test did.
  if (report.success === false && inState(tests, 'failed').length === 0) return [...tests, { status: 'failed', fullName: 'the run failed outside of its tests; the reason is above' }];
  return tests;
}

const totals = { passed: 0, failed: 0, skipped: 0 };
let everyRunPassed = true;
for (const path of process.argv.slice(2)) {
  const tests = readTests(path);
  const failed = inState(tests, 'failed');
  const counts = { passed: inState(tests, 'passed').length, failed: failed.length, skipped: inState(tests, 'pending', 'skipped', 'todo', 'disabled').length };
  console.log(`${basename(path, '.json')}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  for (const { fullName } of failed) console.log(`  FAILED ${fullName}`);
  for (const [state, count] of Object.entries(counts)) totals[state] += count;
  // Nothing passed is no success, whatever the runner says.
  if (counts.passed === 0 || counts.failed > 0) everyRunPassed = false;
}
console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = everyRunPassed ? 0 : 1;
