import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesBelow, readText, repositoryRoot } from '../source/source.ts';
import { deprecated, forbiddenLicences, isAllowed, type LockFile, type Manifest, nameOf, notFromRegistry, undecidedScripts, unverified } from './packages.ts';
import { secretsIn } from './secrets.ts';

const lock = JSON.parse(readText('package-lock.json')) as LockFile;
const manifests = Object.fromEntries(['package.json', 'apps/rider/package.json', 'edge/package.json'].map((file) => [file, JSON.parse(readText(file)) as Manifest]));
const root = manifests['package.json'] ?? {};

/** Says MIT in its LICENSE file, and nothing in its package.json. */
const licencesLookedUp = { 'png-js': 'MIT' };

describe('what we take from others', () => {
  test('THREAT-80: every package is held by a SHA-512 digest and comes from the registry by its version', () => {
    expect(lock.lockfileVersion).toBe(3);
    expect(unverified(lock)).toEqual([]);
    expect(notFromRegistry(manifests)).toEqual([]);
  });

  test('THREAT-80: what is installed is what the lock file says', () => {
    const wrong = Object.entries(lock.packages).flatMap(([path, { version, link }]) => {
      if (!path.startsWith('node_modules/') || link || !existsSync(join(repositoryRoot, path, 'package.json'))) return [];
      const installed = JSON.parse(readText(join(path, 'package.json'))) as { name: string; version: string };
      return installed.version === version ? [] : [`${path} is ${installed.version}, not ${version ?? '?'}`];
    });
    expect(wrong).toEqual([]);
  });

  test('THREAT-80: only packages that somebody has decided about run a script when they are installed', () => {
    expect(undecidedScripts(lock, root)).toEqual([]);
    expect(Object.entries(root.allowScripts ?? {}).filter(([name, allowed]) => allowed && lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });

  test('THREAT-81: everything that is shipped is under a licence that lets us, and nothing is deprecated', () => {
    expect(forbiddenLicences(lock, licencesLookedUp)).toEqual([]);
    for (const name of Object.keys(licencesLookedUp)) expect(readText(join('node_modules', name, 'LICENSE'))).toContain('Permission is hereby granted, free of charge');
    expect(deprecated(lock)).toEqual([]);
  });

  test('what is wrong in a lock file is found', () => {
    const digest = `sha512-${'A'.repeat(86)}==`;
    const bad: LockFile = { lockfileVersion: 3, packages: {
      '': {}, 'edge': {}, 'node_modules/a': { integrity: digest, license: 'MIT' }, 'node_modules/b': { integrity: 'sha1-abc', license: 'GPL-3.0' }, 'node_modules/c': { integrity: digest, license: 'MIT', hasInstallScript: true, resolved: 'https://elsewhere.example/c.tgz', deprecated: 'gone' },
      'node_modules/a/node_modules/@s/d': { integrity: digest, dev: true, license: 'GPL-3.0' }, 'node_modules/edge': { link: true },
    } };
    expect(unverified(bad)).toEqual(['node_modules/b has no SHA-512 digest', expect.stringContaining('elsewhere.example')]);
    expect(forbiddenLicences(bad, {})).toEqual([expect.stringContaining('node_modules/b is under GPL-3.0')]);
    expect(undecidedScripts(bad, { allowScripts: { a: true } })).toEqual([expect.stringContaining('c has an install script'), expect.stringContaining('allowScripts names a')]);
    expect(undecidedScripts(bad, { allowScripts: { c: false } })).toEqual([]);
    expect(deprecated(bad)).toEqual(['node_modules/c: gone']);
    expect(notFromRegistry({ p: { dependencies: { a: '^1.2.3', b: 'git+https://x/y', c: 'file:../c', d: '*', e: 'latest', f: '1.0.0-beta.1' } } })).toHaveLength(4);
    expect(nameOf('node_modules/a/node_modules/@s/d')).toBe('@s/d');
    expect(['(MIT OR GPL-2.0)', 'MIT AND OFL-1.1', 'MIT'].map(isAllowed)).toEqual([true, true, true]);
    expect(['GPL-2.0', 'MIT AND GPL-2.0', 'UNLICENSED', 'SEE LICENSE IN x', 'AGPL-3.0 OR SSPL-1.0'].map(isAllowed)).toEqual([false, false, false, false, false]);
  });
});

describe('secrets', () => {
  const isText = /\.(ts|tsx|mjs|cjs|js|json|md|sql|ya?ml|sh|html|css|svg|proto|toml|env|txt|tpl)$|(^|\/)(Dockerfile|\.ci\/run|\.npmrc|\.env[.\w]*)$/;

  test('THREAT-74: no file of the repository has a key, a token or a password in it', () => {
    const found = filesBelow('.').filter((path) => isText.test(path) && path !== 'package-lock.json').flatMap((path) => secretsIn(path, readText(path)));
    expect(found).toEqual([]);
    expect(filesBelow('.').filter((path) => /\.(pem|key|p12|pfx|jks|keystore)$|(^|\/)(id_rsa|id_ed25519|\.env)$|\.secret$/.test(path))).toEqual([]);
  });

  test('each kind of secret is found, and examples are not', () => {
    const kinds = (text: string) => secretsIn('a', text).map(({ kind }) => kind);
    const half = (one: string, other: string) => `${one}${other}`;
    expect(kinds(half('-----BEGIN PRIVATE ', 'KEY-----'))).toEqual(['private key']);
    expect(kinds(half('-----BEGIN EC PRIVATE ', 'KEY-----'))).toEqual(['private key']);
    expect(kinds(half('AKIA', 'ABCDEFGHIJKLMNOP'))).toEqual(['AWS access key']);
    expect(kinds(half('sk_live_', 'a1b2c3d4e5f6g7h8i9'))).toEqual(['Stripe key']);
    expect(kinds(half('ghp_', 'a'.repeat(36)))).toEqual(['GitHub token']);
    expect(kinds(half('eyJhbGciOiJFUzI1NiJ9.', 'eyJzdWIiOiJyaWRlciJ9.c2lnbmF0dXJlc2lnbmF0dXJl'))).toEqual(['signed token']);
    expect(kinds(half('postgres://mobility:', 'Tr0ub4dor@db.company.net/mobility'))).toEqual(['password in an address']);
    for (const fine of ['postgres://mobility:x@db.example/mobility', 'postgres://a:secret@127.0.0.1:5432/b', '-----BEGIN CERTIFICATE-----', 'sk_test_sandbox', 'https://user@host.net/a']) expect(kinds(fine)).toEqual([]);
  });
});
