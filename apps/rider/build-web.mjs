/** Exports the app for the browser into `dist/`: no network, no telemetry. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const expo = path.join(path.dirname(require.resolve('expo/package.json')), 'bin/cli');

const built = spawnSync(process.execPath, [expo, 'export', '--platform', 'web', '--output-dir', 'dist'], {
  cwd: folder,
  stdio: 'inherit',
  env: { ...process.env, CI: '1', EXPO_NO_TELEMETRY: '1', EXPO_OFFLINE: '1', NODE_ENV: 'production' },
});
if (built.status !== 0) process.exit(built.status ?? 1);

// MapLibre starts its worker from a file of its own, which a bundle cannot hold.
const maplibre = path.dirname(require.resolve('maplibre-gl/package.json'));
copyFileSync(path.join(maplibre, 'dist/maplibre-gl-worker.mjs'), path.join(folder, 'dist/maplibre-gl-worker.mjs'));
