/** Programs that judge what is in `deploy/`: real Helm, the compose specification's own loader, the schemas of Kubernetes. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from './engine.ts';

const cache = join(process.env['MOBILITY_TEST_CACHE'] ?? homedir(), '.cache/mobility-engines');
const goPrograms = ['/usr/local/go/bin/go', 'go'];

/** What is built lies beside its place until it is whole: a build that was cut off is not taken for one. */
async function once(folder: string, make: (unfinished: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    await make(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Builds a program out of a Go module, once. @throws Error where there is no Go 1.25 or later, or the module cannot be had */
const goProgram = (name: string, module: string, version: string): Promise<string> =>
  once(join(cache, `${name}-${version}`), async (folder) => {
    const go = goPrograms.find((path) => !path.startsWith('/') || existsSync(path)) ?? 'go';
    await run(go, ['install', `${module}@v${version}`], { environment: { GOBIN: folder, GOFLAGS: '-trimpath' } });
  });

/** Helm, compiled: some minutes the first time. @returns its path */
export const helm = async (): Promise<string> => join(await goProgram('helm', 'helm.sh/helm/v4/cmd/helm', '4.3.1'), 'helm');

/** The loader that `docker compose config` uses, without Docker. @returns its path */
export const composeLoader = async (): Promise<string> => join(await goProgram('compose', 'github.com/compose-spec/compose-go/v2/cmd', '2.16.2'), 'cmd');

/** Checks manifests against the schemas of a version of Kubernetes, properties that there are not included. @returns what it said */
export async function validateManifests(file: string, kubernetesVersion: string): Promise<string> {
  const folder = await once(join(cache, 'kubernetes-validate-1.37.0'), async (unfinished) => {
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', unfinished, 'kubernetes-validate==1.37.0']);
  });
  return run('python3', [join(folder, 'bin/kubernetes-validate'), '--strict', '--kubernetes-version', kubernetesVersion, file], { environment: { PYTHONPATH: folder } });
}
