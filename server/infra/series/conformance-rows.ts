/** Writing and reading of time series. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SeriesUnderTest } from './conformance.ts';
import { aggregatesOf, comparable, dayMs, expectAggregates, expectRows, firstOfEach, freshDefinition, hourMs, minuteMs, pointsOf, row, type Row, rowsOf } from './conformance-definition.ts';
import type { SeriesRows } from './port.ts';

/** Beginning of the hour in which a clock is. */
const thisHour = ({ clock }: SeriesUnderTest): number => Math.floor(clock.nowMs() / hourMs) * hourMs;

export function readingAndWriting(current: () => SeriesUnderTest): void {
  test('SERIES-03: rows come back in the order of time, then sequence, each value as it was', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const at = current().clock.nowMs();
    const rows = [
      row('one', at, 2, { latitude: Math.PI, grain: 0.1, steps: 2 ** 31 - 1, small: -32_767 }),
      row('one', at, 1, { latitude: Number.NaN, grain: Number.NaN, steps: Number.NaN, small: Number.NaN }),
      row('one', at - 1, 2 ** 53, { latitude: -1e-300, grain: -3e38, steps: -(2 ** 31) + 1, small: 32_767 }),
      row('one', at - 1, 0, { latitude: -0, grain: 1e-40, steps: 0, small: 0 }),
      row('ähnlich ✓', at, 2),
    ];
    expect(await table.write(rowsOf(rows))).toEqual({ written: 5, known: 0, outside: 0 });
    expect(comparable(await table.read('one', at - 1, at + 1))).toEqual(pointsOf(rows.slice(0, 4)));
    expect((await table.read('one', at - 1, at)).map(({ sequence }) => sequence)).toEqual([0, 2 ** 53]);
    expect((await table.read('ähnlich ✓', at, at + 1))[0]?.values).toEqual({ latitude: 50.1234567, grain: expect.closeTo(4.2, 6), steps: 12_345, small: 80 });
    expect(await table.read('nobody', 0, at + 1)).toEqual([]);
    expect(await table.aggregate('nobody', 0, at + 1, 'hour')).toEqual([]);
    expect(await table.write(rowsOf([]))).toEqual({ written: 0, known: 0, outside: 0 });
    await store.close();
  });

  test('SERIES-02: a row that is there is left as it is: within a write, across writes, after a restart, and from two processes at once', async () => {
    const definition = freshDefinition();
    const [one, other] = [await current().open(), await current().open()];
    const [mine, theirs] = [await one.open('measuring', definition), await other.open('measuring', definition)];
    const at = current().clock.nowMs() - 10 * minuteMs;
    expect(await mine.write(rowsOf([row('v', at, 1, { grain: 1 }), row('v', at, 1, { grain: 2 }), row('v', at, 2)]))).toEqual({ written: 2, known: 1, outside: 0 });
    expect(await theirs.write(rowsOf([row('v', at, 1, { grain: 3 }), row('v', at + 1, 1)]))).toEqual({ written: 1, known: 1, outside: 0 });
    expect((await mine.read('v', at, at + 1))[0]?.values['grain']).toBe(1);

    const many = Array.from({ length: 4000 }, (_, index) => row(`v${index % 100}`, at + (index % 7) * 1000, index));
    const answers = await Promise.all([mine.write(rowsOf(many)), theirs.write(rowsOf(many.toReversed())), mine.write(rowsOf(many.slice(0, 2000)))]);
    expect(answers.reduce((sum, { written }) => sum + written, 0)).toBe(4000);
    expect(answers.reduce((sum, { known }) => sum + known, 0)).toBe(6000);
    const [ofOne, ofOther] = [many.slice(0, 1500).map((each) => ({ ...each, timeMs: each.timeMs + 60_000 })), many.slice(1000, 2500).map((each) => ({ ...each, timeMs: each.timeMs + 60_000 }))];
    await Promise.all([...Array.from({ length: 5 }, (_, part) => mine.write(rowsOf(ofOne.slice(part * 300, part * 300 + 300)))), ...Array.from({ length: 5 }, (_, part) => theirs.write(rowsOf(ofOther.slice(part * 300, part * 300 + 300))))]);
    await Promise.all([one.close(), other.close()]);

    const later = await current().open();
    const again = await later.open('measuring', definition);
    expect(await again.write(rowsOf(many))).toEqual({ written: 0, known: 4000, outside: 0 });
    expect((await again.size()).rows).toBe(3 + 4000 + 2500);
    await expectRows(again, [...many, ...firstOfEach([...ofOne, ...ofOther])], ['v1', 'v99'], [at - 1, at + 10 * minuteMs]);
    await later.close();
  });

  test('SERIES-06: what is older than the retention or too far ahead is counted and not written', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const now = current().clock.nowMs();
    const rows = [row('v', now - 10 * dayMs - 1, 1), row('v', now - 9 * dayMs, 2), row('v', now, 3), row('v', now + 2 * dayMs, 4), row('v', -5, 5), row('v', 8e15, 6)];
    expect(await table.write(rowsOf(rows))).toEqual({ written: 2, known: 0, outside: 4 });
    expect(await table.write(rowsOf([row('v', 0, 1)]))).toEqual({ written: 0, known: 0, outside: 1 });
    expect((await table.read('v', 0, now + 3 * dayMs)).map(({ sequence }) => sequence)).toEqual([2, 3]);
    await store.close();
  });

  test('SERIES-07: what cannot be stored is refused with a TypeError, and nothing of its write is there', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const now = current().clock.nowMs();
    const good = rowsOf([row('v', now, 1), row('v', now, 2)]);
    const withRow = (changes: Partial<Row>): SeriesRows => rowsOf([row('v', now, 1), { ...row('v', now, 2), ...changes }]);
    const wrong: SeriesRows[] = [
      { ...good, subject: ['v'] }, { ...good, timeMs: good.timeMs.subarray(1) }, { ...good, sequence: new Float64Array(3) },
      { ...good, columns: { ...good.columns, grain: new Float64Array(1) } }, { ...good, columns: { ...good.columns, more: new Float64Array(2) } }, { ...good, columns: {} },
      ...[Number.NaN, Number.POSITIVE_INFINITY, 0.5].map((timeMs) => withRow({ timeMs })), ...[Number.NaN, -1, 1.5, 2 ** 54].map((sequence) => withRow({ sequence })),
      ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].flatMap((value) => [withRow({ latitude: value }), withRow({ grain: value }), withRow({ steps: value }), withRow({ small: value })]),
      withRow({ grain: 1e39 }), withRow({ steps: 2 ** 31 }), withRow({ steps: 1.5 }), withRow({ small: 40_000 }), withRow({ small: 0.5 }),
      withRow({ subject: '' }), withRow({ subject: 'x'.repeat(81) }), withRow({ subject: 'ß'.repeat(41) }), withRow({ subject: '\uD800' }), withRow({ subject: 'a\0b' }), withRow({ subject: undefined as unknown as string }),
    ];
    for (const rows of wrong) await expect(table.write(rows)).rejects.toThrow(TypeError);
    expect(await table.read('v', 0, now + 1)).toEqual([]);
    expect((await table.size()).rows).toBe(0);
    await table.write(good);
    await expect(table.read('v', 0, now, { maximumPoints: 1 })).rejects.toThrow(RangeError);
    await expect(table.read('v', 0, now, { limit: 0 })).rejects.toThrow(RangeError);
    await expect(table.read('v', 0, now, { maximumPoints: 5, keepExtremesOf: 'nothing' })).rejects.toThrow(TypeError);
    await store.close();
  });

  test('SERIES-08: a thinned read keeps the first, the last and the extremes, and is even in time', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 3 * hourMs;
    const rows = Array.from({ length: 7200 }, (_, index) => row('v', beginning + index * 1000, index, { grain: index === 5000 ? 99 : index === 6001 ? -9 : 10 + (index % 5), small: index % 3 ? 80 : Number.NaN }));
    await table.write(rowsOf(rows.concat(row('w', beginning, 1))));
    for (const maximumPoints of [2, 3, 4, 7, 100, 1001]) {
      const points = await table.read('v', 0, beginning + dayMs, { maximumPoints, keepExtremesOf: 'grain' });
      expect(points.length).toBeLessThanOrEqual(maximumPoints);
      expect(points.length).toBeGreaterThanOrEqual(Math.min(maximumPoints, Math.floor(maximumPoints * 0.8)));
      expect([points[0]?.sequence, points.at(-1)?.sequence]).toEqual([0, 7199]);
      if (maximumPoints >= 4) expect(points.map(({ values }) => values['grain'])).toEqual(expect.arrayContaining([99, -9]));
      expect(points.map(({ timeMs }) => timeMs)).toEqual(points.map(({ timeMs }) => timeMs).toSorted((one, other) => one - other));
    }
    const even = await table.read('v', beginning, beginning + dayMs, { maximumPoints: 102 });
    const gaps = even.slice(2, -1).map(({ timeMs }, index) => timeMs - (even[index + 1]?.timeMs ?? 0));
    expect(even.length).toBeGreaterThan(50);
    expect(Math.max(...gaps)).toBeLessThan(2 * Math.min(...gaps));
    expect(await table.read('w', 0, beginning + dayMs, { maximumPoints: 2 })).toHaveLength(1);
    expect(await table.read('v', beginning, beginning + 10_000, { maximumPoints: 10 })).toHaveLength(10);
    expect(await table.read('v', 0, beginning, { maximumPoints: 10 })).toEqual([]);
    await store.close();
  });

  test('SERIES-09: a long read is taken in pieces, each going on after the last row of the one before', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 40 * hourMs;
    // Several rows at one time, so that a piece ends between them; and pieces end at the ends of partitions.
    const rows = Array.from({ length: 300 }, (_, index) => row('v', beginning + Math.floor(index / 3) * 20 * minuteMs, 1000 - (index % 3)));
    await table.write(rowsOf(rows));
    const pieces: Row['sequence'][][] = [];
    const all = [];
    for (let after: { timeMs: number; sequence: number } | undefined; ;) {
      const points = await table.read('v', beginning, beginning + 100 * hourMs, { limit: 31, after });
      if (points.length === 0) break;
      pieces.push(points.map(({ sequence }) => sequence));
      all.push(...points);
      after = points.at(-1);
    }
    expect(pieces).toHaveLength(Math.ceil(300 / 31));
    expect(comparable(all)).toEqual(pointsOf(rows));
    await store.close();
  });

  test('SERIES-10: aggregates of a subject and of all cover every row, also the late ones, and no row twice', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 5 * hourMs;
    const first = Array.from({ length: 500 }, (_, index) => row(`v${index % 5}`, beginning + index * 20_000, index, { grain: (index * 37) % 50, small: index % 4 ? index % 90 : Number.NaN }));
    const late = Array.from({ length: 90 }, (_, index) => row(`v${index % 5}`, beginning + index * 33_333, 1000 + index, { grain: -index, small: Number.NaN }));
    for (const rows of [first, first.slice(100, 300), late, late]) await table.write(rowsOf(rows));
    const all = [...first, ...late];
    const range = [beginning, beginning + dayMs] as const;
    await expectRows(table, all, ['v0', 'v3'], range);
    expectAggregates(await table.aggregate(undefined, ...range, 'minute'), aggregatesOf(all, minuteMs), false);
    expectAggregates(await table.aggregate(undefined, ...range, 'hour'), aggregatesOf(all, hourMs), false);
    // The interval in which a range begins is whole; the one at which it ends is not there.
    const part = await table.aggregate('v0', beginning + 90 * minuteMs, beginning + 2 * hourMs, 'hour');
    expectAggregates(part, aggregatesOf(all.filter(({ subject }) => subject === 'v0'), hourMs).filter(({ timeMs }) => timeMs === beginning + hourMs));
    await store.close();
  });

  test('SERIES-16: 100,000 rows in one write are there, and so are rows of many writes at once', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 2 * hourMs;
    const rows = Array.from({ length: 100_000 }, (_, index) => row(`v${index % 1000}`, beginning + Math.floor(index / 1000) * 60_000, index));
    expect(await table.write(rowsOf(rows))).toEqual({ written: 100_000, known: 0, outside: 0 });
    await expectRows(table, rows, ['v0', 'v999'], [beginning, beginning + dayMs]);
    const answers = await Promise.all(Array.from({ length: 25 }, (_, index) => table.write(rowsOf([row('tiny', beginning + index, index), row(`s${index % 3}`, beginning + index, 1)]))));
    expect(answers.every(({ written }) => written === 2)).toBe(true);
    expect(await table.read('tiny', beginning, beginning + 1000)).toHaveLength(25);
    await store.close();
  });

  test('SERIES-14: a series is opened with the columns that it was made with, by whoever comes later', async () => {
    const definition = freshDefinition();
    const stores = await Promise.all(Array.from({ length: 3 }, () => current().open()));
    const tables = await Promise.all(stores.map((store) => store.open('measuring', definition)));
    expect((await Promise.all(tables.map((table, index) => table.write(rowsOf([row('v', current().clock.nowMs(), index)]))))).map(({ written }) => written)).toEqual([1, 1, 1]);
    const [store] = stores;
    const refused = [{ columns: { ...definition.columns, grain: 'double' as const } }, { columns: { grain: 'real' as const }, aggregated: ['grain'] }, { partitionMs: 2 * hourMs }, { aggregated: ['grain'] }];
    for (const changes of refused) await expect(store?.open('measuring', { ...definition, ...changes })).rejects.toThrow(definition.name);
    for (const changes of [{ name: 'Robert; drop' }, { name: '' }, { partitionMs: 0 }, { partitionMs: Number.NaN }, { retainForMs: -1 }, { aggregated: ['weight'] }]) await expect(store?.open('measuring', { ...freshDefinition(), ...changes })).rejects.toThrow(TypeError);
    await expect(store?.open('measuring', { ...definition, retainForMs: 20 * dayMs, compressAfterMs: 0 })).resolves.toBeDefined();
    await Promise.all(stores.map((each) => each.close()));
  });

  test('SERIES-04: whatever is written, in whatever order and however often: the set of it is read, before and after compression', async () => {
    const store = await current().open();
    const definition = freshDefinition();
    const table = await store.open('measuring', definition);
    let run = 0;
    const value = fc.oneof({ weight: 1, arbitrary: fc.constant(Number.NaN) }, { weight: 3, arbitrary: fc.integer({ min: -100, max: 100 }) }, { weight: 2, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) });
    const whole = fc.oneof({ weight: 1, arbitrary: fc.constant(Number.NaN) }, { weight: 4, arbitrary: fc.integer({ min: -30_000, max: 30_000 }) });
    const someRow = fc.record({ subject: fc.constantFrom('a', 'b', 'c'), timeMs: fc.integer({ min: 0, max: 40 }).map((step) => step * 4 * minuteMs), sequence: fc.constantFrom(0, 1, 2 ** 40), latitude: value, grain: value, steps: whole, small: whole });
    await fc.assert(fc.asyncProperty(fc.array(fc.array(someRow, { minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 3 }), fc.array(someRow, { maxLength: 30 }), async (writes, late) => {
      run += 1;
      current().clock.advance(minuteMs);
      const beginning = thisHour(current()) - 6 * hourMs;
      const placed = (rows: readonly Row[]) => rows.map((each) => ({ ...each, subject: `${each.subject}${run}`, timeMs: beginning + each.timeMs }));
      const [subjects, range] = [['a', 'b', 'c'].map((subject) => `${subject}${run}`), [beginning, beginning + 4 * hourMs] as const];
      for (const rows of writes) await table.write(rowsOf(placed(rows)));
      const first = firstOfEach(placed(writes.flat()));
      await expectRows(table, first, subjects, range);
      await table.applyPolicies();
      await expectRows(table, first, subjects, range);
      const all = firstOfEach(placed([...writes.flat(), ...late]));
      expect(await table.write(rowsOf(placed(late)))).toEqual({ written: all.length - first.length, known: late.length - (all.length - first.length), outside: 0 });
      await expectRows(table, all, subjects, range);
      await table.applyPolicies();
      await expectRows(table, all, subjects, range);
    }), { numRuns: 4 });
    await store.close();
  });
}
