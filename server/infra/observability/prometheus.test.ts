import { expect, test } from 'vitest';
import { prometheusMetrics } from './prometheus.ts';

test('a histogram counts by bucket, and leaves out what never happened', async () => {
  const metrics = prometheusMetrics();
  const observe = metrics.seconds('mobility_test_seconds', 'For this test', { kind: 'a' });
  metrics.seconds('mobility_test_seconds', 'For this test', { kind: 'never' });
  for (const seconds of [0.001, 0.003, 0.4, 100]) observe(seconds);
  const text = await metrics.scrape();
  expect(text).toContain('# TYPE mobility_test_seconds histogram');
  expect(text).toContain('mobility_test_seconds_bucket{kind="a",le="0.001"} 1');
  expect(text).toContain('mobility_test_seconds_bucket{kind="a",le="0.005"} 2');
  expect(text).toContain('mobility_test_seconds_bucket{kind="a",le="0.5"} 3');
  expect(text).toContain('mobility_test_seconds_bucket{kind="a",le="+Inf"} 4');
  expect(text).toContain('mobility_test_seconds_count{kind="a"} 4');
  expect(text).not.toContain('never');
});

test('a reading that fails or never comes is left out and counted; the others of its name are there, and the scrape is not held up', async () => {
  const metrics = prometheusMetrics();
  metrics.gauge('mobility_test_depth', 'For this test', () => [{ labels: { module: 'a' }, value: 3 }]);
  metrics.gauge('mobility_test_depth', 'For this test', () => new Promise(() => undefined));
  metrics.gauge('mobility_test_depth', 'For this test', async () => {
    throw new Error('no database');
  });
  const begunMs = performance.now();
  const text = await metrics.scrape();
  expect(performance.now() - begunMs).toBeLessThan(4_000);
  expect(text).toContain('mobility_test_depth{module="a"} 3');
  expect(await metrics.scrape()).toMatch(/mobility_metric_reads_failed_total\{metric="mobility_test_depth"\} [2-9]/);
});
