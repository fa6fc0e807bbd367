import type { Sql } from 'postgres';
import { afterEach, expect, test, vi } from 'vitest';
import type { EventLog } from '../events/port.ts';
import { pinoLogger } from '../observability/pino.ts';
import { OutboxRelay } from './outbox.ts';

afterEach(() => void vi.useRealTimers());

test('what is committed while another process of the module relays does not wait for the next look', async () => {
  vi.useFakeTimers();
  let othersRelay = true;
  const appended: string[] = [];
  const statement = async ([text = '']: TemplateStringsArray) => {
    if (text.startsWith('select pg_try_advisory')) return [{ mine: !othersRelay }];
    return text.startsWith('select id') && appended.length === 0 ? [{ id: 1, topic: 'things', event: { id: 'ours' } }] : [];
  };
  const sql = { begin: (work: (transaction: typeof statement) => Promise<unknown>) => work(statement) } as unknown as Sql;
  const events = { append: async (topic: string) => void appended.push(topic) } as unknown as EventLog;
  const relay = new OutboxRelay(sql, events, pinoLogger('silent'));
  relay.start();
  await vi.advanceTimersByTimeAsync(100);
  expect(appended).toEqual([]);
  othersRelay = false;
  await vi.advanceTimersByTimeAsync(100);
  expect(appended).toEqual(['things']);
  await relay.stop();
});
