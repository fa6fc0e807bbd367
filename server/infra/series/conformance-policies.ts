/** Compression, retention and aggregates of time series. */
import { expect, test } from 'vitest';
import type { SeriesUnderTest } from './conformance.ts';
import { aggregatesOf, comparable, dayMs, expectAggregates, expectRows, freshDefinition, hourMs, minuteMs, pointsOf, row, rowsOf } from './conformance-definition.ts';

const thisHour = ({ clock }: SeriesUnderTest): number => Math.floor(clock.nowMs() / hourMs) * hourMs;

/** Rows of some vehicles through three hours of the past. */
function someHours(beginning: number, subjects = 3) {
  return Array.from({ length: 900 }, (_, index) => row(`v${index % subjects}`, beginning + index * 12_000, index, { latitude: 50 + index / 1e7, grain: (index % 80) / 4, steps: index, small: 90 - Math.floor(index / 60) }));
}

export function keepingPromises(current: () => SeriesUnderTest): void {
  test('SERIES-05: late rows find their place in ranges that are compressed already, and are compressed with them', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 6 * hourMs;
    const rows = someHours(beginning);
    await table.write(rowsOf(rows));
    expect((await table.applyPolicies()).compressed).toBe(3);
    const before = await table.size();
    expect(before).toMatchObject({ rows: 900 });
    expect(before.compressedBytes).toBeGreaterThan(0);
    const late = [row('v1', beginning + 5, 1), row('v1', beginning + 90 * minuteMs, 1, { grain: 99 }), row('v9', beginning + 1, 1), rows[4], rows[700]].filter((each) => each !== undefined);
    expect(await table.write(rowsOf(late))).toEqual({ written: 3, known: 2, outside: 0 });
    const all = [...rows, ...late.slice(0, 3)];
    const range = [beginning, beginning + 6 * hourMs] as const;
    await expectRows(table, all, ['v0', 'v1', 'v9'], range);
    expect((await table.applyPolicies()).compressed).toBe(2);
    expect((await table.applyPolicies()).compressed).toBe(0);
    await expectRows(table, all, ['v0', 'v1', 'v9'], range);
    expectAggregates(await table.aggregate(undefined, ...range, 'minute'), aggregatesOf(all, minuteMs), false);
    expect((await table.size()).rows).toBe(903);
    await store.close();
  });

  test('SERIES-11: rows are dropped with their partition when they are too old, and their aggregates stay', async () => {
    const store = await current().open();
    const table = await store.open('measuring', freshDefinition({ retainForMs: 12 * hourMs, retainAggregatesForMs: 3 * dayMs }));
    const beginning = thisHour(current()) - 6 * hourMs;
    const rows = someHours(beginning);
    const range = [beginning, beginning + 6 * hourMs] as const;
    await table.write(rowsOf(rows.slice(0, 400)));
    await table.applyPolicies();
    await table.write(rowsOf(rows.slice(400)));
    // The rest has never been compressed when it becomes too old.
    current().clock.advance(dayMs);
    const done = await table.applyPolicies();
    expect(done).toMatchObject({ dropped: 6 });
    expect(await table.read('v1', ...range)).toEqual([]);
    expect(await table.size()).toMatchObject({ rows: 0, partitions: 3 });
    const mine = rows.filter(({ subject }) => subject === 'v1');
    expectAggregates(await table.aggregate('v1', ...range, 'minute'), aggregatesOf(mine, minuteMs));
    expectAggregates(await table.aggregate(undefined, ...range, 'hour'), aggregatesOf(rows, hourMs), false);
    expect(await table.write(rowsOf(rows.slice(0, 10)))).toEqual({ written: 0, known: 0, outside: 10 });
    current().clock.advance(4 * dayMs);
    await table.applyPolicies();
    expect(await table.aggregate('v1', ...range, 'minute')).toEqual([]);
    expect(await table.aggregate(undefined, ...range, 'minute')).toEqual([]);
    // What another process believes to be there still is made anew.
    expect(await table.write(rowsOf([row('v1', current().clock.nowMs(), 1)]))).toMatchObject({ written: 1 });
    await store.close();
  });

  test('SERIES-12: a cut between any two steps of a policy loses nothing and doubles nothing, and the next call goes on', async () => {
    const steps: string[] = [];
    let cutAt = Number.POSITIVE_INFINITY;
    const store = await current().open((step) => {
      if (steps.length === cutAt) throw new Error(`cut before: ${step}`);
      steps.push(step);
    });
    const table = await store.open('measuring', freshDefinition({ retainForMs: 30 * hourMs }));
    const beginning = thisHour(current()) - 6 * hourMs;
    const [rows, range] = [someHours(beginning, 70), [beginning, beginning + 6 * hourMs] as const];
    await table.write(rowsOf(rows));
    const stepsOfPass = async (isKept: boolean): Promise<number> => {
      let cuts = 0;
      for (cutAt = 0; ; cutAt += 1) {
        // Each pass gets one step further before it is cut off, until it comes through.
        steps.length = 0;
        const outcome = await table.applyPolicies().then(() => 'through', (error: Error) => error.message);
        if (outcome === 'through') return cuts;
        expect(outcome).toContain('cut before');
        cuts += 1;
        if (isKept && cuts % 3 === 0) await expectRows(table, rows, ['v0', 'v69'], range);
      }
    };
    expect(await stepsOfPass(true)).toBeGreaterThan(5);
    await expectRows(table, rows, ['v0', 'v1', 'v64', 'v69'], range);
    expect((await table.size()).rows).toBe(900);
    current().clock.advance(2 * dayMs);
    expect(await stepsOfPass(false)).toBeGreaterThan(0);
    expect((await table.size()).rows).toBe(0);
    expectAggregates(await table.aggregate(undefined, ...range, 'hour'), aggregatesOf(rows, hourMs), false);
    expectAggregates(await table.aggregate('v69', ...range, 'hour'), aggregatesOf(rows.filter(({ subject }) => subject === 'v69'), hourMs));
    await store.close();
  });

  test('SERIES-13: policies may be applied by two processes at once, while others write and read: nobody misses a row', async () => {
    const definition = freshDefinition();
    const stores = await Promise.all(Array.from({ length: 3 }, () => current().open()));
    const [one, other, writer] = await Promise.all(stores.map((store) => store.open('measuring', definition)));
    if (!one || !other || !writer) throw new Error('unreachable');
    const beginning = thisHour(current()) - 6 * hourMs;
    const range = [beginning, beginning + 6 * hourMs] as const;
    const rows = someHours(beginning, 70);
    await writer.write(rowsOf(rows));
    const watched = pointsOf(rows.filter(({ subject }) => subject === 'v7'));
    const all = [...rows];
    for (let round = 0; round < 2; round++) {
      const late = someHours(beginning, 70).map((each) => ({ ...each, sequence: each.sequence + 10_000 * (round + 1), subject: each.subject === 'v7' ? 'v8' : each.subject }));
      all.push(...late);
      let isDone = false;
      const reads = (async () => {
        for (let count = 0; !isDone || count === 0; count++) {
          expect(comparable(await one.read('v7', ...range))).toEqual(watched);
          expect((await other.aggregate('v7', ...range, 'hour')).map(({ count: rowsInHour }) => rowsInHour)).toEqual(aggregatesOf(rows.filter(({ subject }) => subject === 'v7'), hourMs).map(({ count: rowsInHour }) => rowsInHour));
        }
      })();
      await Promise.all([writer.write(rowsOf(late)), one.applyPolicies(), other.applyPolicies()]);
      isDone = true;
      await reads;
    }
    await one.applyPolicies();
    await expectRows(one, all, ['v7', 'v8', 'v69'], range);
    expectAggregates(await other.aggregate(undefined, ...range, 'hour'), aggregatesOf(all, hourMs), false);
    expect((await other.size()).rows).toBe(all.length);
    await Promise.all(stores.map((store) => store.close()));
  });

  test('SERIES-15: a call that is ended goes no further, and the next one goes on', async () => {
    const abort = new AbortController();
    let steps = 0;
    const store = await current().open(() => {
      steps += 1;
      abort.abort();
    });
    const table = await store.open('measuring', freshDefinition());
    const beginning = thisHour(current()) - 6 * hourMs;
    const rows = someHours(beginning, 140);
    await table.write(rowsOf(rows));
    expect((await table.applyPolicies({ signal: abort.signal })).compressed).toBe(0);
    const stepsOfFirst = steps;
    await expectRows(table, rows, ['v0', 'v139'], [beginning, beginning + 6 * hourMs]);
    expect((await table.applyPolicies()).compressed).toBe(3);
    expect(steps).toBeGreaterThan(3 * stepsOfFirst);
    await expectRows(table, rows, ['v0', 'v139'], [beginning, beginning + 6 * hourMs]);
    await store.close();
  });
}
