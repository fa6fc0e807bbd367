/** Rules are judged by Prometheus' own promtool: each alert is quiet while all is well, and fires when it has to. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { promtool } from '../../tools/engines/prometheus.ts';

const folder = new URL('../../deploy/observability/rules/', import.meta.url);
const pathOf = (name: string): string => fileURLToPath(new URL(name, folder));

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook_url: string };
}
interface RuleTest {
  alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[];
}

const rules = (parse(await readFile(pathOf('alerts.yaml'), 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const tests = (parse(await readFile(pathOf('tests.yaml'), 'utf8')) as { tests: RuleTest[] }).tests.flatMap((each) => each.alert_rule_test);

test('Prometheus takes the rules, and every case comes out as it is written', async () => {
  await promtool('check', 'rules', pathOf('alerts.yaml'), pathOf('service-levels.yaml'));
  await promtool('check', 'config', '--syntax-only', pathOf('../scrape.yaml'));
  expect(await promtool('test', 'rules', pathOf('tests.yaml'))).toContain('SUCCESS');
});

test('every alert fires in a case', () => {
  const fired = new Set(tests.filter(({ exp_alerts: expected }) => (expected?.length ?? 0) > 0).map(({ alertname }) => alertname));
  expect([...fired].sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

test('every alert wakes somebody or waits, says what is wrong, and has its section in the runbook', async () => {
  const runbook = await readFile(new URL('../../docs/runbooks/alerts.md', import.meta.url), 'utf8');
  const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
  for (const { alert, labels, annotations } of rules) {
    expect(['page', 'ticket'], alert).toContain(labels.severity);
    expect(annotations.summary.length, alert).toBeGreaterThan(20);
    expect(annotations.runbook_url).toBe(`docs/runbooks/alerts.md#${alert.toLowerCase()}`);
  }
  expect(sections.filter((heading) => /^[A-Z]\w+$/.test(heading) && heading !== 'Silence').sort()).toEqual(rules.map(({ alert }) => alert).sort());
});
