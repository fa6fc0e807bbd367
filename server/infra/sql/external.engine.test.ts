import { expect, test } from 'vitest';
import postgres from 'postgres';
import { engineSetting } from '../../../tools/engines/testing.ts';

test('an external PostgreSQL answers', async () => {
  const sql = postgres(engineSetting('MOBILITY_DATABASE_URL'), { max: 1 });
  const [row] = await sql`select 1 as one`;
  expect(row).toEqual({ one: 1 });
  await sql.end();
});
