import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Nearest, readCursor, writeCursor } from './nearest.ts';

const candidates = fc.uniqueArray(fc.record({ id: fc.string({ minLength: 1, maxLength: 3 }), metres: fc.integer({ min: 0, max: 20 }) }), { selector: ({ id }) => id, maxLength: 200 });

test('VEHICLE-02: pages of the nearest, one after the other, give everything once and in order', () => {
  fc.assert(
    fc.property(candidates, fc.integer({ min: 1, max: 10 }), (all, limit) => {
      const seen: string[] = [];
      for (let cursor: string | undefined, pages = 0; pages <= all.length + 1; pages++) {
        const nearest = new Nearest<string>(limit, cursor === undefined ? undefined : readCursor(cursor));
        for (const { id, metres } of all) nearest.offer({ item: id, id, metres });
        const page = nearest.result();
        seen.push(...page.map(({ id }) => id));
        const last = page.at(-1);
        if (!last) break;
        cursor = writeCursor(last);
      }
      const inOrder = all.toSorted((a, b) => a.metres - b.metres || (a.id < b.id ? -1 : 1)).map(({ id }) => id);
      expect(seen).toEqual(inOrder);
    }),
  );
});

test('VEHICLE-02: what is no cursor is none', () => {
  for (const text of ['', 'x', '!!!', Buffer.from('{}').toString('base64url'), Buffer.from('["a",1]').toString('base64url')]) expect(readCursor(text)).toBeUndefined();
});
