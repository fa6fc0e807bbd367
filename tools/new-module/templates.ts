/** The rooms of a new module, with one small example in each that is there to be replaced. */

export interface Names {
  /** `rider-checks` */
  module: string;
  /** `riderChecks` */
  camel: string;
  /** `RIDER-CHECKS`, as in RIDER-CHECKS-01 */
  rule: string;
  /** From the module's folder to server/: `../..` */
  up: string;
}

const readme = ({ module, rule }: Names): string => `# ${module}

Owns … (say in a sentence what this module is for, and what it leaves to others).

**Events out** (topic \`${module}\`): \`${module}.changed\`.
**Events in**: none.

## Rules
- ${rule}-01: The text of an entry is kept without the blank space around it.
- ${rule}-02: An entry that nobody has written is not found.
`;

const contract = ({ module, camel, up }: Names): string => `/** What ${module} promises. */
import { z } from 'zod';
import { defineContract, defineEvent } from '${up}/wire/contract.ts';
import { Id } from '${up}/wire/schemas.ts';

const staff = { roles: ['staff', 'admin'], scope: '${module}' } as const;
const entryParams = z.object({ entryId: Id });

const Entry = z.object({ id: Id, text: z.string() });

export const ${camel}Contract = defineContract({
  module: '${module}',
  operations: {
    putEntry: {
      method: 'PUT', path: '/v1/${module}/{entryId}', summary: 'Write an entry', access: staff, public: true,
      params: entryParams, body: z.strictObject({ text: z.string().max(2000) }), status: 200, response: Entry, errors: [],
    },
    getEntry: {
      method: 'GET', path: '/v1/${module}/{entryId}', summary: 'Read an entry', access: staff, public: true,
      params: entryParams, status: 200, response: Entry, errors: ['not-found'],
    },
  },
  events: {
    changed: defineEvent('${module}.changed', 'An entry was written', z.object({ entryId: Id })),
  },
});
`;

const module = ({ module: name, camel, up }: Names): string => `/** Wiring of ${name}. */
import { defineModule } from '${up}/module.ts';
import { Problem } from '${up}/wire/problem.ts';
import { ${camel}Contract } from './contract.ts';
import { entryText } from './domain/entry.ts';
import { findEntry, saveEntry } from './store.ts';

export const ${camel}Module = defineModule<typeof ${camel}Contract.operations>({
  name: '${name}',
  contract: ${camel}Contract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start({ database }) {
    return {
      handlers: {
        async putEntry({ params, body }) {
          const entry = { id: params.entryId, text: entryText(body.text) };
          await database.transaction(async (transaction) => {
            await saveEntry(transaction.sql, entry);
            transaction.publish(${camel}Contract.events.changed, entry.id, { entryId: entry.id });
          });
          return entry;
        },
        async getEntry({ params }) {
          const entry = await findEntry(database.sql, params.entryId);
          if (!entry) throw new Problem('not-found', 'no such entry');
          return entry;
        },
      },
    };
  },
});
`;

const domain = (): string => `/** Rules of entries: pure functions, no I/O, no clock, no randomness. */

/** @returns the text as it is kept */
export const entryText = (given: string): string => given.trim();
`;

const domainTest = ({ rule }: Names): string => `import { expect, test } from 'vitest';
import { entryText } from './entry.ts';

test('${rule}-01: blank space around the text goes, inside it stays', () => {
  expect(entryText('  two words ')).toBe('two words');
});
`;

const store = (): string => `/** The SQL of this module; the search path is its own schema. */
import type { Sql, TransactionSql } from 'postgres';

export interface EntryRow {
  id: string;
  text: string;
}

export async function findEntry(sql: Sql | TransactionSql, id: string): Promise<EntryRow | undefined> {
  const [row] = await sql<EntryRow[]>\`select id, text from entries where id = \${id}\`;
  return row;
}

export async function saveEntry(sql: TransactionSql, { id, text }: EntryRow): Promise<void> {
  await sql\`insert into entries (id, text) values (\${id}, \${text}) on conflict (id) do update set text = excluded.text\`;
}
`;

const migration = (): string => `create table entries (
  id uuid primary key,
  text text not null
);
`;

const moduleTest = ({ module: name, camel, rule, up }: Names): string => `import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModules, type TestProcess } from '${up}/program/testing.ts';
import { ${camel}Contract } from './contract.ts';
import { ${camel}Module } from './module.ts';

let process: TestProcess;
beforeAll(async () => {
  process = await startModules([${camel}Module]);
});
afterAll(() => process.dispose());

test('${rule}-01: an entry of ${name} is read as it was kept', async () => {
  const client = process.client(${camel}Contract);
  const params = { entryId: v7() };
  await client.putEntry({ params, body: { text: ' first ' } });
  expect(await client.getEntry({ params })).toEqual({ id: params.entryId, text: 'first' });
});

test('${rule}-02: an entry that nobody has written is not found', async () => {
  await expect(process.client(${camel}Contract).getEntry({ params: { entryId: v7() } })).rejects.toMatchObject({ code: 'not-found' });
});
`;

/** Text by path within the module's folder. */
export const roomsOf = (names: Names): Record<string, string> => ({
  'README.md': readme(names),
  'contract.ts': contract(names),
  'module.ts': module(names),
  'domain/entry.ts': domain(),
  'domain/entry.test.ts': domainTest(names),
  'store.ts': store(),
  'migrations/001_entries.sql': migration(),
  [`${names.module}.test.ts`]: moduleTest(names),
});
