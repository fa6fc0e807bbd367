/** Programs that judge what is in `deploy/`: real Helm, the compose specification's own loader, the schemas of Kubernetes. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from './engine.ts';
import { buildProgram, builtProgram } from './go.ts';

const helmVersion = '4.3.1';
const composeVersion = '2.16.2';

/** Helm, compiled: some minutes the first time. @returns its path */
export async function helm(): Promise<string> {
  await buildProgram('helm', helmVersion, 'helm.sh/helm/v4/cmd/helm');
  return builtProgram('helm', helmVersion);
}

/** The loader that `docker compose config` uses, without Docker. @returns its path */
export async function composeLoader(): Promise<string> {
  // Its main package is called cmd, and so is what is built.
  await buildProgram('cmd', composeVersion, 'github.com/compose-spec/compose-go/v2/cmd');
  return builtProgram('cmd', composeVersion);
}

const schemas = join(homedir(), '.cache', 'mobility-engines', 'kubernetes-validate-1.37.0');

/** The schemas of Kubernetes and what reads them, from PyPI. Renamed when they are whole: a download that was cut off is not taken for one. */
async function installSchemas(): Promise<void> {
  if (existsSync(schemas)) return;
  const incoming = `${schemas}.${process.pid}`;
  await mkdir(incoming, { recursive: true });
  await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', incoming, 'kubernetes-validate==1.37.0']);
  await rename(incoming, schemas);
}

/** Checks manifests against the schemas of a version of Kubernetes, properties that there are not included. @returns what it said */
export async function validateManifests(file: string, kubernetesVersion: string): Promise<string> {
  await installSchemas();
  return run('python3', [join(schemas, 'bin/kubernetes-validate'), '--strict', '--kubernetes-version', kubernetesVersion, file], { environment: { PYTHONPATH: schemas } });
}
