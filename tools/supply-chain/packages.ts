/** What we take from others, as the lock file says it: where it comes from, under which licence, and what it may run. */

interface LockedPackage {
  version?: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  link?: boolean;
  dev?: boolean;
  hasInstallScript?: boolean;
  deprecated?: string;
}

export interface LockFile {
  lockfileVersion: number;
  packages: Record<string, LockedPackage>;
}

export interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  allowScripts?: Record<string, boolean>;
}

/** Those of others: neither the root nor our own workspaces. */
const taken = ({ packages }: LockFile): [string, LockedPackage][] => Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && !link);

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

const registry = 'https://registry.npmjs.org/';

/** @returns packages that are not held by a strong digest, or come from anywhere but the registry */
export const unverified = (lock: LockFile): string[] =>
  taken(lock).flatMap(([path, { integrity, resolved }]) => [
    ...(/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? '') ? [] : [`${path} has no SHA-512 digest`]),
    ...(resolved === undefined || resolved.startsWith(registry) ? [] : [`${path} comes from ${resolved}`]),
  ]);

/** @returns dependencies that are asked for by an address, a branch or a folder instead of a version */
export const notFromRegistry = (manifests: Record<string, Manifest>): string[] =>
  Object.entries(manifests).flatMap(([file, { dependencies, devDependencies, optionalDependencies }]) =>
    Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(([, range]) => !/^[\^~]?\d+\.\d+(\.\d+)?(-[\w.]+)?$/.test(range)).map(([name, range]) => `${file}: ${name} is asked for as ${range}`));

/** Licences that ask for no more than a notice, or only concern changes to the package itself. */
const allowedLicences = new Set(['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense', 'CC0-1.0', 'Zlib', 'Python-2.0', 'OFL-1.1', 'CC-BY-4.0', 'MPL-2.0']);

/** `(MIT OR GPL-2.0)`: one of them is enough; `MIT AND OFL-1.1`: all are needed. */
export function isAllowed(licence: string): boolean {
  const bare = licence.replaceAll(/[()]/g, '').trim();
  if (bare.includes(' OR ')) return bare.split(' OR ').some(isAllowed);
  return bare.split(' AND ').every((each) => allowedLicences.has(each.trim()));
}

/** @param known licences that a package has and does not name, each looked up by hand */
export const forbiddenLicences = (lock: LockFile, known: Record<string, string>): string[] =>
  taken(lock).filter(([, { dev }]) => !dev).flatMap(([path, { license }]) => {
    const licence = license ?? known[nameOf(path)];
    return licence !== undefined && isAllowed(licence) ? [] : [`${path} is under ${licence ?? 'no licence that it names'}`];
  });

/** @returns packages with a script that runs when they are installed, about which nobody has decided; and decisions about none */
export function undecidedScripts(lock: LockFile, { allowScripts = {} }: Manifest): string[] {
  const running = new Set(taken(lock).filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)));
  return [
    ...[...running].filter((name) => !(name in allowScripts)).map((name) => `${name} has an install script, and allowScripts says nothing about it`),
    ...Object.keys(allowScripts).filter((name) => !running.has(name)).map((name) => `allowScripts names ${name}, which has no install script`),
  ];
}

export const deprecated = (lock: LockFile): string[] => taken(lock).flatMap(([path, { deprecated: reason }]) => (reason ? [`${path}: ${reason}`] : []));
