import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEventParser, type ServerEvent } from './serverSentEvents';

const stream = ': hello\r\n\r\nevent: snapshot\ndata: {"a":\ndata: 1}\n\ndata:plain\n\nevent: remove\r\ndata: x\r\n\r\nevent: unfinished\ndata: y\n';
const expected: ServerEvent[] = [
  { event: 'snapshot', data: '{"a":\n1}' },
  { event: 'message', data: 'plain' },
  { event: 'remove', data: 'x' },
];

function parsed(pieces: readonly string[]): ServerEvent[] {
  const events: ServerEvent[] = [];
  pieces.forEach(createEventParser((event) => events.push(event)));
  return events;
}

test('events come out whole, comments and unfinished ones do not', () => {
  expect(parsed([stream])).toEqual(expected);
});

test('it makes no difference in which pieces the text arrives', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 20 }), (cuts) => {
      const edges = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      expect(parsed(edges.slice(1).map((end, index) => stream.slice(edges[index], end)))).toEqual(expected);
    }),
  );
});
