import { collectDefaultMetrics, Counter, type Metric, Registry } from 'prom-client';
import { Histogram } from './histogram.ts';
import type { Metrics, Reading } from './port.ts';

type Read = () => Reading | Promise<Reading>;

/** A database that does not answer must not take the other figures with it. */
const readWithinMs = 1000;

async function inTime(read: Read): Promise<Reading> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it takes too long')), readWithinMs);
  });
  try {
    return await Promise.race([read(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asked at each scrape; in the registry beside the library's own. */
class Readings {
  readonly aggregator = 'sum';
  readonly readers: Read[] = [];
  readonly type: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly #onFailure: (name: string) => void;

  constructor(type: 'gauge' | 'counter', name: string, help: string, onFailure: (name: string) => void) {
    this.type = type;
    this.name = name;
    this.help = help;
    this.#onFailure = onFailure;
  }

  async get() {
    const readings = await Promise.allSettled(this.readers.map(inTime));
    const values = readings.flatMap((reading) => {
      if (reading.status === 'fulfilled') return typeof reading.value === 'number' ? [{ labels: {}, value: reading.value }] : [...reading.value];
      this.#onFailure(this.name);
      return [];
    });
    return { name: this.name, help: this.help, type: this.type, values, aggregator: this.aggregator };
  }
}

/** Metrics in one registry, scraped as Prometheus text. */
export function prometheusMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const readings = new Map<string, Readings>();
  const unread = new Counter({ name: 'mobility_metric_reads_failed_total', help: 'Readings that a scrape had to do without', labelNames: ['metric'], registers: [registry] });
  const register = <Own extends Histogram | Readings>(metric: Own): Own => {
    registry.registerMetric(metric as unknown as Metric);
    return metric;
  };
  const reading = (type: 'gauge' | 'counter') => (name: string, help: string, read: Read) => {
    let known = readings.get(name);
    if (!known) readings.set(name, (known = register(new Readings(type, name, help, (metric) => unread.inc({ metric })))));
    known.readers.push(read);
  };
  return {
    count(name, help, labels = {}, by = 1) {
      let counter = counters.get(name);
      if (!counter) counters.set(name, (counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [registry] })));
      counter.inc(labels, by);
    },
    seconds(name, help, labels = {}) {
      let histogram = histograms.get(name);
      if (!histogram) histograms.set(name, (histogram = register(new Histogram(name, help))));
      return histogram.observer(labels);
    },
    gauge: reading('gauge'),
    total: reading('counter'),
    scrape: () => registry.metrics(),
  };
}
