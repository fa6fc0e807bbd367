import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { dashboardFiles } from './files.ts';

const root = new URL('../../', import.meta.url);

test('the dashboards in deploy are those of the source: `node tools/dashboards/generate.ts` writes them', async () => {
  const files = dashboardFiles();
  for (const [path, content] of files) expect(await readFile(new URL(path, root), 'utf8'), path).toBe(content);
  expect((await readdir(new URL('deploy/observability/dashboards/', root))).length).toBe(files.size);
});

test('no panel stands on another, and each query has a letter of its own', () => {
  for (const content of dashboardFiles().values()) {
    const { panels } = JSON.parse(content) as { panels: { gridPos: { x: number; y: number }; targets: { refId: string }[] }[] };
    expect(new Set(panels.map(({ gridPos }) => `${gridPos.x} ${gridPos.y}`)).size).toBe(panels.length);
    for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  }
});
