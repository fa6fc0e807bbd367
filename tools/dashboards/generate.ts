/** `node tools/dashboards/generate.ts`: writes deploy/observability/dashboards. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboardFiles } from './files.ts';

for (const [path, content] of dashboardFiles()) {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  process.stdout.write(`${path}\n`);
}
