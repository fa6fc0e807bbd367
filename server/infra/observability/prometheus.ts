import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from './port.ts';

/** Metrics in one registry, scraped as Prometheus text. */
export function prometheusMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  return {
    count(name, help, labels = {}, by = 1) {
      let counter = counters.get(name);
      if (!counter) counters.set(name, (counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [registry] })));
      counter.inc(labels, by);
    },
    observeSeconds(name, help, seconds, labels = {}) {
      let histogram = histograms.get(name);
      if (!histogram) {
        histogram = new Histogram({ name, help, labelNames: Object.keys(labels), registers: [registry], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10] });
        histograms.set(name, histogram);
      }
      histogram.observe(labels, seconds);
    },
    gauge(name, help, read) {
      new Gauge({
        name, help, registers: [registry],
        async collect() {
          this.set(await read());
        },
      });
    },
    scrape: () => registry.metrics(),
  };
}
