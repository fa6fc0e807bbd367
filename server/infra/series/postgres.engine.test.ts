/** The series port on a PostgreSQL that is not ours: Debian's, older than the embedded one. */
import postgres from 'postgres';
import { engineSetting } from '../../../tools/engines/testing.ts';
import { manualClock } from '../clock/system.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { accessForTests } from '../sql/testing.ts';
import { seriesConformance } from './conformance.ts';
import { openPostgresSeries } from './postgres.ts';

seriesConformance('in an external PostgreSQL', async () => {
  const server = engineSetting('MOBILITY_DATABASE_URL');
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  const name = `series_${process.pid}`;
  await admin`create database ${admin(name)}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const clock = manualClock(Date.parse('2026-11-22T10:30:00Z'));
  return {
    clock,
    open: async (onPolicyStep) => openPostgresSeries({ access: accessForTests(url.href), clock, logger: pinoLogger('silent'), metrics: prometheusMetrics(), policyBudgetMs: 60_000, onPolicyStep }),
    async close() {
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
});
