#!/usr/bin/env node
/**
 * The way in, for any Node: installs what is missing, then goes on with the pinned Node 24.
 * Plain JavaScript without dependencies, because on a fresh clone there is nothing else yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const neededMajor = 24;

/** @returns {string} digest of what decides which packages are installed */
function installationDigest() {
  const hash = createHash('sha256');
  for (const file of ['package.json', 'package-lock.json', 'apps/rider/package.json']) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function install() {
  const marker = join(root, 'node_modules', '.installed');
  const digest = installationDigest();
  if (existsSync(marker) && readFileSync(marker, 'utf8') === digest) return;
  process.stderr.write('Installing packages (once; about a minute) …\n');
  // Not `npm ci`: it refuses a lock file without the packages of platforms that the registry at hand does not have.
  // Development tools are needed to build the rider app and to test, whatever NODE_ENV says.
  const result = spawnSync('npm', ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (result.status !== 0) {
    process.stderr.write('Installing failed; see the messages of npm above.\n');
    process.exit(1);
  }
  writeFileSync(marker, digest);
}

/** @returns {string} path of a Node of the right age */
function pinnedNode() {
  const bundled = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= neededMajor) return process.execPath;
  process.stderr.write(`There is no packaged Node ${neededMajor} for ${process.platform} ${process.arch}: install Node ${neededMajor} and start again.\n`);
  process.exit(1);
}

install();
const node = pinnedNode();
const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, 'server', 'main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 128 : (code ?? 1)));
child.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
