import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { filesBelow, parseSource, readText, repositoryRoot } from '../source/source.ts';
import { generatedFiles } from './files.ts';
import { diagram, drawInto } from './life-cycles.ts';
import { shape } from './shape.ts';
import { usageOf } from './usage.ts';

describe('the generated pages say what the source says', () => {
  const generated = generatedFiles();

  test.each([...generated.keys()])('%s (if not: node tools/reference/generate.ts)', (path) => {
    expect(existsSync(join(repositoryRoot, path)) ? readText(path) : '').toBe(generated.get(path));
  });

  test('no page is left over', () => {
    expect(filesBelow('docs/reference').filter((path) => !generated.has(path))).toEqual([]);
  });
});

test('a shape fits on a line', () => {
  const schema = z.object({ id: z.uuid(), minutes: z.int().min(1).max(720).optional(), tags: z.array(z.enum(['a', 'b'])).max(3), to: z.string().nullable(), limit: z.coerce.number().default(5) });
  expect(shape(schema, 'output')).toBe('{ id: uuid, minutes?: integer 1…720, tags: ["a" or "b"] …3, to: string or null, limit: number }');
});

test('what a module hears and calls is read from its source', () => {
  const source = `
    const { captured, resolved: known } = paymentContract.events;
    const bookingEvents = bookingContract.events;
    const services = { payments: context.client(paymentContract) };
    class Desk { readonly #fleet: Client<typeof vehicleContract.operations>; send = () => this.#fleet.sendCommand({}); }
    database.consume(['bookings', bookingEvents.rated, vehicleContract.events.unlocked, known], handle);
    events.subscribe({ group: 'x', topics: [captured.topic] });
    await services.payments.resolve({});`;
  const usage = usageOf([parseSource('server/services/booking/module.ts', source)]);
  expect(usage.subscriptions).toEqual([
    { topic: 'bookings' }, { contract: 'bookingContract', event: 'rated' }, { contract: 'vehicleContract', event: 'unlocked' }, { contract: 'paymentContract', event: 'resolved' }, { topicOf: { contract: 'paymentContract', event: 'captured' } },
  ]);
  expect(usage.calls).toEqual([{ contract: 'vehicleContract', operation: 'sendCommand' }, { contract: 'paymentContract', operation: 'resolve' }]);
  expect(() => usageOf([parseSource('server/a.ts', 'database.consume([somewhere()], handle)')])).toThrow('server/a.ts:1');
});

test('a state machine is drawn between its marks, again and again the same', () => {
  const lifeCycle = { readme: 'README.md', transitions: [{ from: 'new', event: 'paid', to: 'capture-pending' }] };
  const once = drawInto('# A\n<!-- life-cycle:begin -->\nold\n<!-- life-cycle:end -->\nrest\n', lifeCycle);
  expect(once).toBe(`# A\n<!-- life-cycle:begin -->\n${diagram(lifeCycle)}\n<!-- life-cycle:end -->\nrest\n`);
  expect(drawInto(once, lifeCycle)).toBe(once);
  expect(diagram(lifeCycle)).toContain('new --> capture_pending: paid');
  expect(() => drawInto('# A', lifeCycle)).toThrow('has no place');
});
