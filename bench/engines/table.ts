/** The figures of all forms as a table in Markdown, with their ratio to the first. */

export interface Figures {
  bookingsPerSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  cpuMsPerBooking: number;
  telemetryPerSecond: number;
  telemetryCpuSecondsPerMillion: number;
  telemetryLiveP99Ms: number | null;
  coresAtRest: number;
  mebibytes: number;
}

const rows: readonly { title: string; value(figures: Figures): number | null; digits: number }[] = [
  { title: 'bookings per second, at the most', value: (figures) => figures.bookingsPerSecond, digits: 0 },
  { title: 'booking at 20/s, p50 ms', value: (figures) => figures.p50Ms, digits: 0 },
  { title: 'booking at 20/s, p95 ms', value: (figures) => figures.p95Ms, digits: 0 },
  { title: 'booking at 20/s, p99 ms', value: (figures) => figures.p99Ms, digits: 0 },
  { title: 'CPU of a booking, ms', value: (figures) => figures.cpuMsPerBooking, digits: 1 },
  { title: 'telemetry records per second, at the most', value: (figures) => figures.telemetryPerSecond, digits: 0 },
  { title: 'telemetry at 5,000/s, to live state, p99 ms', value: (figures) => figures.telemetryLiveP99Ms, digits: 0 },
  { title: 'CPU of a million records, s', value: (figures) => figures.telemetryCpuSecondsPerMillion, digits: 1 },
  { title: 'processors in use at rest', value: (figures) => figures.coresAtRest, digits: 2 },
  { title: 'memory, MiB', value: (figures) => figures.mebibytes, digits: 0 },
];

/** @param measured by form; the first is what the others are compared with */
export function table(measured: Readonly<Record<string, Figures>>): string {
  const [first, ...others] = Object.entries(measured);
  if (!first) return '';
  const shown = (value: number | null, digits: number): string => (value === null ? '–' : Number(value.toFixed(digits)).toLocaleString('en-GB'));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const lines = rows.map(({ title, value, digits }) => {
    const base = value(first[1]);
    return line([title, shown(base, digits), ...others.map(([, figures]) => {
      const own = value(figures);
      return own === null || !base ? shown(own, digits) : `${shown(own, digits)} (× ${(own / base).toFixed(2)})`;
    })]);
  });
  return [line(['', first[0], ...others.map(([name]) => name)]), line(['---', ...Object.keys(measured).map(() => '---:')]), ...lines].join('');
}
