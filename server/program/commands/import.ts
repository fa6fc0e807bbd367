/** `mobility import gbfs URL|FOLDER`: an operator's feed becomes a city of the running program. */
import { parseArgs } from 'node:util';
import { GbfsError, loadGbfs, type Finding, type GbfsSystem } from '../../../libs/gbfs/index.ts';
import { CityImportError, cityFromGbfs, type ImportedCity } from '../../import/gbfs.ts';
import { CityDefinition } from '../../services/vehicle/contract.ts';
import type { ProblemDocument } from '../../wire/problem.ts';
import { type Configuration, readConfiguration } from '../configuration.ts';
import { addressOf, CommandError, demoClient } from './demo-client.ts';
import type { Terminal } from './token.ts';

const usage = `Usage: mobility import gbfs URL|FOLDER [options]

  --id CITY                 id of the city; made of the feed's system id without it
  --name NAME               its name
  --country CC              ISO 3166-1 code; by the feed's time zone without it
  --language TAG            which language of a GBFS 2 feed to read
  --plan ID                 the pricing plan of vehicles for which the feed names none
  --default-prices          rent vehicles without a usable plan at our default prices
  --without-docked          make no vehicles of the numbers at stations
  --allow-private-addresses let the feed lead to addresses of a private network
  --all-findings            list every finding, not one of each kind
  --dry-run                 read and report, change nothing
`;

const parse = (rest: string[]) =>
  parseArgs({
    args: rest, allowPositionals: true,
    options: {
      id: { type: 'string' }, name: { type: 'string' }, country: { type: 'string' }, language: { type: 'string' }, plan: { type: 'string' },
      'default-prices': { type: 'boolean', default: false }, 'without-docked': { type: 'boolean', default: false },
      'allow-private-addresses': { type: 'boolean', default: false }, 'all-findings': { type: 'boolean', default: false }, 'dry-run': { type: 'boolean', default: false },
    },
  });
type Options = ReturnType<typeof parse>['values'];

function readArguments(rest: string[]): { location: string; options: Options } {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(rest);
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  const [format, location, ...more] = parsed.positionals;
  if (format !== 'gbfs' || location === undefined || location.trim() === '' || more.length > 0) throw new CommandError(usage);
  const { id, country } = parsed.values;
  if (id !== undefined && !CityDefinition.shape.id.safeParse(id).success) throw new CommandError(`"${id}" cannot be the id of a city: small letters, digits and hyphens, at most 60.`);
  if (country !== undefined && !CityDefinition.shape.country.safeParse(country).success) throw new CommandError(`"${country}" is no country code: two capital letters, such as NO.`);
  return { location, options: parsed.values };
}

/**
 * Reads the feed, reports what was found, and makes or updates the city.
 * @returns 0 when the city stands (or would, in a dry run), 1 when the feed cannot be used or the program refuses
 * @throws CommandError for wrong arguments or when no program answers, with a sentence for the person at the terminal
 */
export async function runImport(rest: string[], terminal: Terminal): Promise<number> {
  const { location, options } = readArguments(rest);
  const say = (text: string) => terminal.stdout.write(`${text}\n`);
  const read = await readFeed(location, options, say);
  if (typeof read === 'string') {
    say(read);
    return 1;
  }
  const city = CityDefinition.safeParse(read.imported.city);
  report(read.system, read.imported, options['all-findings'], say);
  if (!city.success) {
    say(`This does not make a city:\n${city.error.issues.slice(0, 10).map((issue) => `  /${issue.path.join('/')}: ${issue.message}`).join('\n')}`);
    return 1;
  }
  if (options['dry-run']) {
    say('Dry run: nothing was changed.');
    return 0;
  }
  return putCity(city.data, readConfiguration(terminal.env), terminal, say);
}

async function readFeed(location: string, options: Options, say: (text: string) => void): Promise<{ system: GbfsSystem; imported: ImportedCity } | string> {
  try {
    const system = await loadGbfs(location, {
      languages: options.language === undefined ? [] : [options.language],
      allowPrivateAddresses: options['allow-private-addresses'],
      onProgress: (message) => say(`${message} …`),
    });
    const imported = cityFromGbfs(system, {
      now: new Date().toISOString(), cityId: options.id, name: options.name, country: options.country, defaultPlanId: options.plan,
      acceptDefaultPrices: options['default-prices'], dockedVehicles: options['without-docked'] ? 'none' : 'from-counts',
    });
    return { system, imported };
  } catch (error) {
    if (error instanceof GbfsError && error.code === 'address-not-allowed') return `The feed cannot be read: ${error.message}. With --allow-private-addresses it is.`;
    if (error instanceof GbfsError) return `The feed cannot be read: ${error.message}.`;
    if (error instanceof CityImportError) return `The feed does not make a city: ${error.message}.`;
    throw error;
  }
}

function report(system: GbfsSystem, { city, findings }: ImportedCity, all: boolean, say: (text: string) => void): void {
  say(`GBFS ${system.version}, system ${system.information.id}`);
  for (const { feed, state, itemCount, reason } of system.feeds) say(`  ${feed.padEnd(22)} ${state.padEnd(8)} ${state === 'read' ? itemCount : (reason ?? '')}`);
  const inService = city.vehicles.filter((vehicle) => vehicle.inService !== false).length;
  say(`City ${city.id} (${city.name}, ${city.country}, ${city.timeZone}), parking ${city.parking}`);
  say(`  ${city.vehicles.length} vehicles (${inService} in service), ${city.models.length} models, ${city.tariffs.length} tariffs, ${city.bays.length} bays, ${city.zones.length} zones`);
  if (findings.length > 0) say('Findings:');
  for (const { finding, count } of all ? findings.map((finding) => ({ finding, count: 1 + (finding.more ?? 0) })) : grouped(findings)) {
    const times = count > 1 ? ` (${count} times)` : '';
    say(`  ${finding.severity.padEnd(8)} ${finding.code}${times} ${finding.feed}${finding.pointer}: ${finding.message}`);
  }
}

/** One of each kind, the worst first, with how often it was met. */
function grouped(findings: Finding[]): { finding: Finding; count: number }[] {
  const groups = new Map<string, { finding: Finding; count: number }>();
  for (const finding of findings) {
    const key = `${finding.severity} ${finding.code} ${finding.feed}`;
    const group = groups.get(key);
    groups.set(key, { finding: group?.finding ?? finding, count: (group?.count ?? 0) + 1 + (finding.more ?? 0) });
  }
  const rank = { error: 0, warning: 1, info: 2 };
  return [...groups.values()].toSorted((a, b) => rank[a.finding.severity] - rank[b.finding.severity]);
}

async function putCity(city: CityDefinition, configuration: Configuration, { env }: Terminal, say: (text: string) => void): Promise<number> {
  const token = configuration.MOBILITY_TOKEN ?? (await (await demoClient(configuration, env)).token('admin@example.com', 'admin')).token;
  const address = await addressOf(configuration, env);
  say(`making the city at ${address} …`);
  let response: Response;
  try {
    response = await fetch(`${address}/v1/cities/${encodeURIComponent(city.id)}`, {
      method: 'PUT', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` }, body: JSON.stringify(city), signal: AbortSignal.timeout(120_000),
    });
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new CommandError(late ? `The program at ${address} did not answer within two minutes; \`mobility city\` tells whether the city is there.` : `The program is not running at ${address}. Start it with \`npm start\`, or set PORT or MOBILITY_HOME to those of the running one.`, { cause: error });
  }
  if (response.ok) {
    say(`City ${city.id} stands.`);
    return 0;
  }
  const problem = (await response.json().catch(() => ({}))) as Partial<ProblemDocument>;
  say(`The program at ${address} refused: ${[problem.title ?? `HTTP ${response.status}`, problem.detail].filter(Boolean).join(': ')}`);
  for (const { pointer, message } of problem.errors ?? []) say(`  ${pointer}: ${message}`);
  return 1;
}
