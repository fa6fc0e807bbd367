/** What has to be right before strangers may reach the program: in production it does not start without. */
import { BlockList, isIP } from 'node:net';
import { type Configuration, ConfigurationError } from './configuration.ts';

const wellKnownPasswords = new Set(['', 'postgres', 'password', 'passwort', 'mobility', 'admin', 'secret', 'changeme', 'change-me', 'example', 'test', '123456']);
/** The keys of our own sandboxes, which stand in this repository. */
const sandboxKey = /^(sandbox|sk_test_sandbox)$/;

const isHttps = (url: string): boolean => new URL(url).protocol === 'https:';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(url: string): boolean {
  const host = new URL(url).hostname.replaceAll(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** A network as wide as this is not a proxy, it is everybody. */
function trustsEverybody(network: string): boolean {
  const [address = '', prefix] = network.split('/');
  if (prefix === undefined) return network === 'true' || network === '*';
  return Number(prefix) < (isIP(address) === 6 ? 32 : 8);
}

function publicFaults({ MOBILITY_PUBLIC_URL: publicUrl, MOBILITY_CORS_ORIGINS: origins, MOBILITY_MAP_STYLE_URL: mapStyle, MOBILITY_TRUSTED_PROXIES: proxies }: Configuration): string[] {
  const faults: string[] = [];
  if (!publicUrl) faults.push('MOBILITY_PUBLIC_URL has to be set: tokens, cookies and redirects are bound to the address that people use');
  else if (!isHttps(publicUrl)) faults.push(`MOBILITY_PUBLIC_URL has to be https, because passwords, tokens and cookies go over it: ${publicUrl}`);
  else if (new URL(publicUrl).username !== '' || new URL(publicUrl).search !== '' || new URL(publicUrl).hash !== '') faults.push('MOBILITY_PUBLIC_URL has to be an address alone, without a user, a query or a fragment');
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin || !isHttps(origin)) faults.push(`MOBILITY_CORS_ORIGINS has "${origin}", which is no https origin: https://name, without a path and without *`);
  }
  if (mapStyle && !isHttps(mapStyle)) faults.push('MOBILITY_MAP_STYLE_URL has to be https: whoever changes it on the way draws the map');
  for (const network of proxies) {
    if (trustsEverybody(network)) faults.push(`MOBILITY_TRUSTED_PROXIES has "${network}": then every client could write the address that limits count by`);
  }
  return faults;
}

function secretFaults(configuration: Configuration): string[] {
  const faults: string[] = [];
  const { MOBILITY_DATABASE_URL: database, MOBILITY_STRIPE_KEY: stripe, MOBILITY_ADYEN_KEY: adyen } = configuration;
  if (database) {
    const { username, password } = new URL(database);
    // Without an account each module logs in as its own role, with a password out of the keys.
    if (username !== '' && wellKnownPasswords.has(decodeURIComponent(password).toLowerCase())) faults.push('MOBILITY_DATABASE_URL has no password, or one that everybody tries first');
  }
  if (stripe && sandboxKey.test(stripe)) faults.push('MOBILITY_STRIPE_KEY is the key of the sandbox: rides would be given away');
  if (adyen && sandboxKey.test(adyen)) faults.push('MOBILITY_ADYEN_KEY is the key of the sandbox: rides would be given away');
  for (const name of ['MOBILITY_STRIPE_URL', 'MOBILITY_ADYEN_URL'] as const) {
    const url = configuration[name];
    if (url && !isHttps(url) && !isLoopback(url)) faults.push(`${name} has to be https: the key goes there`);
  }
  return faults;
}

function demoFaults({ MOBILITY_CLOCK_OFFSET_SECONDS: offsetSeconds, MOBILITY_NEAR_FIELD_URL: nearField, MOBILITY_VERIFICATION: verification, MOBILITY_PEERS: peers }: Configuration): string[] {
  const faults: string[] = [];
  if (offsetSeconds !== 0) faults.push('MOBILITY_CLOCK_OFFSET_SECONDS is for demos: prices, tokens and receipts would have another time');
  if (nearField) faults.push('MOBILITY_NEAR_FIELD_URL is for demos: unlock tokens would be sent there');
  if (verification === 'automatic') faults.push('MOBILITY_VERIFICATION=automatic is for demos: everybody would have a verified licence');
  for (const [module, urls] of Object.entries(peers)) {
    if (urls.some((url) => new URL(url).username !== '')) faults.push(`MOBILITY_PEERS has a user in the address of ${module}; calls carry tokens of their own`);
  }
  return faults;
}

/** @returns a sentence for each setting with which a production installation would not be safe; none in demo mode */
export const unsafeSettings = (configuration: Configuration): string[] =>
  configuration.demo ? [] : [...publicFaults(configuration), ...secretFaults(configuration), ...demoFaults(configuration)];

/** @throws ConfigurationError that says everything that has to change */
export function refuseUnsafe(configuration: Configuration): void {
  const faults = unsafeSettings(configuration);
  if (faults.length > 0) throw new ConfigurationError(`In production this does not start:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
}
