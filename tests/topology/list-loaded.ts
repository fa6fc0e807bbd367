/** Loaded with `--import`: at the end of its process it writes which files that loaded, as JSON. */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    loaded.add(url);
    return next(url, context);
  },
});
process.on('exit', () => {
  const file = process.env['MOBILITY_TEST_LOADED'];
  if (file) writeFileSync(file, JSON.stringify([...loaded]));
});
