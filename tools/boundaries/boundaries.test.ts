import { expect, test } from 'vitest';
import { parseSource, sourceFiles } from '../source/source.ts';
import { circles, edgesOf, violations } from './boundaries.ts';
import { boundaryRules } from './rules.ts';

const edges = edgesOf(sourceFiles());
const edgesIn = (path: string, text: string) => edgesOf([parseSource(path, text)]);

test('imports point the way that the rules allow', () => {
  expect(violations(edges, boundaryRules)).toEqual([]);
});

test('no file imports itself by a detour', () => {
  expect(circles(edges)).toEqual([]);
});

/** One planted violation for each rule: a rule that catches nothing protects nothing. */
const planted: Record<string, [path: string, text: string]> = {
  'a module is called through its contract': ['server/services/booking/ride.ts', `import { charge } from '../payment/charging.ts';`],
  'only the composition root knows modules': ['server/demo/demo.ts', `const { bookingModule } = await import('../services/booking/module.ts');`],
  'domain code does no I/O': ['server/services/booking/domain/rules.ts', `import { readFileSync } from 'fs';`],
  'domain code of another module is not shared': ['server/services/booking/domain/rules.ts', `import type { Entry } from '../../payment/domain/ledger.ts';`],
  'modules use ports, not adapters': ['server/services/booking/store.ts', `import { lmdbStore } from '../../infra/kv/lmdb.ts';`],
  'modules do not know the program that runs them': ['server/services/booking/store.ts', `export { readConfiguration } from '../../program/configuration.ts';`],
  'infra knows no business': ['server/infra/sql/database.ts', `import type { Module } from '../../module.ts';`],
  'the wire knows nobody': ['server/wire/dispatch.ts', `import type { Logger } from '../infra/observability/port.ts';`],
  'contracts hold no behaviour': ['server/services/booking/contract.ts', `import { priceOf } from './domain/pricing.ts';`],
  'apps see types of contracts only': ['apps/rider/src/price.ts', `import type { Price } from '../../../server/services/booking/domain/pricing.ts';`],
  'apps bundle nothing of the server': ['apps/rider/src/price.ts', `import { bookingContract } from '../../../server/services/booking/contract.ts';`],
  'libs stand alone': ['libs/gbfs/index.ts', `import { Position } from '../../server/wire/schemas.ts';`],
  'the agent stands alone': ['edge/agent/agent.ts', `import { Position } from '../../server/wire/schemas.ts';`],
  'the platform knows the protocol of the agent only': ['server/iot/broker.ts', `import { Agent } from '../../edge/agent/agent.ts';`],
  'the simulator is an outsider': ['simulator/riders.ts', `import { findBooking } from '../server/services/booking/store.ts';`],
  'nothing imports tests': ['server/services/booking/ride.ts', `import { fixture } from './testing/fixtures.ts';`],
  'nobody below calls the gateway': ['server/services/booking/ride.ts', `import { gatewayContract } from '../../gateway/contract.ts';`],
};

test.each(boundaryRules.map((rule) => [rule.name, rule] as const))('%s: a planted violation is caught', (name, rule) => {
  const [path, text] = planted[name] ?? ['', ''];
  expect(violations(edgesIn(path, text), [rule])).toHaveLength(1);
});

test('a circle is found, one of types alone is none', () => {
  const circle = [...edgesIn('libs/a/one.ts', `import { two } from './two.ts';`), ...edgesIn('libs/a/two.ts', `import { one } from './one.ts';`)];
  expect(circles(circle)).toEqual(['libs/a/one.ts → libs/a/two.ts → libs/a/one.ts']);
  expect(circles([...edgesIn('libs/a/one.ts', `import type { Two } from './two.ts';`), ...edgesIn('libs/a/two.ts', `import { one } from './one.ts';`)])).toEqual([]);
});
