/** The pages of docs/reference, each from the house, the settings or the table of problems. */
import { settings } from '../../server/program/configuration.ts';
import type { Access, Operation } from '../../server/wire/contract.ts';
import { problems } from '../../server/wire/problem.ts';
import type { ModulePart } from './house.ts';
import { code, codes, mermaid, page, table } from './markdown.ts';
import { shape } from './shape.ts';

const nodeName = (module: string): string => module.replaceAll('-', '_');

export const modulesPage = (house: readonly ModulePart[]): string =>
  page('Modules', 'Every module of the program and the modules that it needs. They start in the order of their needs and stop in reverse; circles are refused.', [
    mermaid(['flowchart TD', ...house.map(({ name }) => `  ${nodeName(name)}["${name}"]`), ...house.flatMap(({ name, needs }) => needs.map((need) => `  ${nodeName(name)} --> ${nodeName(need)}`))]),
    table(['module', 'folder', 'needs', 'operations', 'events'], house.map(({ name, folder, needs, operations, events }) => [code(name), `[${folder}](../../${folder})`, codes(needs), String(operations.length), String(events.length)])),
  ]);

export const callsPage = (house: readonly ModulePart[]): string =>
  page('Who calls whom', 'Calls between modules by contract, read from the source. The gateway forwards every public operation besides.', [
    table(['caller', 'called', 'operations'], house.flatMap(({ name, calls, needs }) => {
      const called = new Map(needs.map((need) => [need, calls.filter((call) => call.startsWith(`${need}.`)).map((call) => call.slice(need.length + 1))]));
      return [...called].map(([need, operations]) => [code(name), code(need), codes(operations)]);
    })),
  ]);

export function eventsPage(house: readonly ModulePart[]): string {
  const events = house.flatMap(({ name, events: own }) => own.map((event) => ({ owner: name, event })));
  const consumersOf = (type: string): string[] => house.filter(({ hears }) => hears.includes(type)).map(({ name }) => name);
  return page('Events', 'CloudEvents 1.0 on a durable log: at least once, in order for each subject. The part before the dot is the topic. A consumer handles each event once; some subscribe to a whole topic and use a part of it.', [
    table(['type', 'version', 'owner', 'delivered to', 'meaning'], events.map(({ owner, event }) => [code(event.type), String(event.version), code(owner), codes(consumersOf(event.type)), event.summary])),
    '## Data',
    ...[...Map.groupBy(events, ({ event }) => shape(event.data, 'output'))].map(([data, alike]) => `${codes(alike.map(({ event }) => event.type))}:\n\n    ${data}`),
  ]);
}

export const configurationPage = (): string =>
  page('Configuration', 'Environment variables. A wrong value stops the start with a sentence that names it; `npx mobility config` prints the same.', [
    table(['setting', 'default', 'meaning'], Object.entries(settings).map(([name, { schema, description, secret }]) => {
      const parsed = schema.safeParse(undefined);
      const shown = parsed.success && parsed.data !== undefined ? code(JSON.stringify(parsed.data)) : 'not set';
      return [code(name), shown, `${description}${secret ? ' (secret)' : ''}`];
    })),
  ]);

const operationsWith = (house: readonly ModulePart[], problem: string): string[] =>
  house.flatMap(({ name, operations }) => operations.filter(({ operation }) => operation.errors.some((error) => error === problem)).map((one) => `${name}.${one.name}`));

export const errorsPage = (house: readonly ModulePart[]): string =>
  page('Error codes', 'Errors are RFC 9457 problem+json with a stable `code`. Every route may also answer `invalid-request`, `malformed-json`, `too-many-requests`, `internal`, `unavailable` and `timeout`; routes with a token `unauthenticated` and `forbidden`.', [
    table(['code', 'status', 'meaning', 'operations that name it'], Object.entries(problems).map(([name, { status, title }]) => [code(name), String(status), title, codes(operationsWith(house, name))])),
  ]);

const accessOf = (access: Access): string => (access === 'anyone' ? 'anyone' : `${access.roles.join(', ')}; scope ${code(access.scope)}`);

const requestOf = ({ query, body }: Operation): string => [query && `query ${code(shape(query, 'input'))}`, body && `body ${code(shape(body, 'input'))}`].filter(Boolean).join(', ') || '–';

function operationRows({ operations }: ModulePart, isPublic: boolean): string[][] {
  return operations.filter(({ operation }) => operation.public === isPublic).map(({ name, operation }) => [
    code(`${operation.method} ${operation.path}`),
    `${operation.summary} (${code(name)}${operation.idempotent ? ', `Idempotency-Key`' : ''})`,
    accessOf(operation.access),
    requestOf(operation),
    `${operation.status}${operation.produces ? ` ${operation.produces.join(', ')}` : ''}`,
    codes(operation.errors),
  ]);
}

export const routesPage = (house: readonly ModulePart[]): string =>
  page('Routes', 'What the gateway serves, by module, with who may call it and the errors that the route names; answers in full are in `/openapi.json`. After that, what modules serve to each other only.', [
    ...[true, false].flatMap((isPublic) => [
      `## ${isPublic ? 'Public' : 'Between modules'}`,
      ...house.flatMap((module) => {
        const rows = operationRows(module, isPublic);
        return rows.length > 0 ? [`### ${module.name}`, table(['route', 'what', 'who', 'request', 'answer', 'errors'], rows)] : [];
      }),
    ]),
  ]);
