/** What the tests of the series port write, and what they expect to read. */
import { expect } from 'vitest';
import type { SeriesAggregate, SeriesDefinition, SeriesPoint, SeriesRows, SeriesTable } from './port.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

let counter = 0;

/** A series of its own: partitions of an hour, compressed an hour after their end, kept for ten days. */
export const freshDefinition = (changes: Partial<SeriesDefinition> = {}): SeriesDefinition => ({
  name: `measured_${++counter}`,
  columns: { latitude: 'double', grain: 'real', steps: 'integer', small: 'smallint' },
  partitionMs: hourMs, compressAfterMs: hourMs, retainForMs: 10 * dayMs, retainAggregatesForMs: 100 * dayMs, aggregated: ['grain', 'small'],
  ...changes,
});

const names = ['latitude', 'grain', 'steps', 'small'] as const;

export interface Row {
  subject: string;
  timeMs: number;
  sequence: number;
  latitude: number;
  grain: number;
  steps: number;
  small: number;
}

export const row = (subject: string, timeMs: number, sequence: number, values: Partial<Row> = {}): Row => ({ subject, timeMs, sequence, latitude: 50.1234567, grain: 4.2, steps: 12_345, small: 80, ...values });

export const rowsOf = (rows: readonly Row[]): SeriesRows => ({
  subject: rows.map(({ subject }) => subject), timeMs: Float64Array.from(rows, ({ timeMs }) => timeMs), sequence: Float64Array.from(rows, ({ sequence }) => sequence),
  columns: Object.fromEntries(names.map((name) => [name, Float64Array.from(rows, (each) => each[name])])),
});

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
const single = (value: number | null | undefined): number | null => (value === null || value === undefined ? null : Math.fround(value));

/** Points as they are compared: a real counts with the digits that it has. */
export const comparable = (points: readonly SeriesPoint[]): SeriesPoint[] => points.map((point) => ({ ...point, values: { ...point.values, grain: single(point.values['grain']) } }));

export const pointsOf = (rows: readonly Row[]): SeriesPoint[] => comparable(
  rows.toSorted((one, other) => one.timeMs - other.timeMs || one.sequence - other.sequence)
    .map((each) => ({ timeMs: each.timeMs, sequence: each.sequence, values: Object.fromEntries(names.map((name) => [name, orNull(each[name])])) })),
);

export const keyOf = ({ subject, timeMs, sequence }: Row): string => `${subject} ${timeMs} ${sequence}`;

/** The rows that are there after all of them were written in this order: the first of each key. */
export function firstOfEach(rows: readonly Row[]): Row[] {
  const there = new Map<string, Row>();
  for (const each of rows) if (!there.has(keyOf(each))) there.set(keyOf(each), each);
  return [...there.values()];
}

/** Sums as they should be. @param rows each key once */
export function aggregatesOf(rows: readonly Row[], lengthMs: number): SeriesAggregate[] {
  const sorted = rows.toSorted((one, other) => one.timeMs - other.timeMs || one.sequence - other.sequence);
  const byStart = Map.groupBy(sorted, ({ timeMs }) => Math.floor(timeMs / lengthMs) * lengthMs);
  return [...byStart].map(([timeMs, inside]) => ({
    timeMs, count: inside.length,
    columns: Object.fromEntries((['grain', 'small'] as const).map((name) => {
      const values = inside.map((each) => (name === 'grain' ? Math.fround(each[name]) : each[name])).filter((value) => !Number.isNaN(value));
      return [name, values.length === 0 ? null : { minimum: Math.min(...values), maximum: Math.max(...values), mean: values.reduce((sum, value) => sum + value, 0) / values.length, last: values.at(-1) ?? Number.NaN }];
    })),
  }));
}

/** Equal but for the last digits of means and reals. @param isOrdered whether the rows had an order: those of several subjects at one time have none */
export function expectAggregates(actual: readonly SeriesAggregate[], expected: readonly SeriesAggregate[], isOrdered = true): void {
  expect(actual.map(({ timeMs, count }) => ({ timeMs, count }))).toEqual(expected.map(({ timeMs, count }) => ({ timeMs, count })));
  for (const [index, { columns }] of expected.entries()) {
    for (const [name, summary] of Object.entries(columns)) {
      const found = actual[index]?.columns[name];
      if (summary === null) expect(found).toBeNull();
      else for (const key of isOrdered ? (['minimum', 'maximum', 'mean', 'last'] as const) : (['minimum', 'maximum', 'mean'] as const)) expect(Math.abs((found?.[key] ?? Number.NaN) - summary[key]), `${name} ${key}`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(summary[key])));
    }
  }
}

/** Everything that a table tells of some subjects is what these rows are. */
export async function expectRows(table: SeriesTable, rows: readonly Row[], subjects: readonly string[], [fromMs, toMs]: readonly [number, number]): Promise<void> {
  for (const subject of subjects) {
    const mine = rows.filter((each) => each.subject === subject && each.timeMs >= fromMs && each.timeMs < toMs);
    expect(comparable(await table.read(subject, fromMs, toMs))).toEqual(pointsOf(mine));
    expectAggregates(await table.aggregate(subject, fromMs, toMs, 'minute'), aggregatesOf(mine, minuteMs));
    expectAggregates(await table.aggregate(subject, fromMs, toMs, 'hour'), aggregatesOf(mine, hourMs));
  }
}
