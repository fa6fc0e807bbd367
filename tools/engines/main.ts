/** `npm run engines -- up|down|status [NAME …]`: the engines of a large installation, on this machine, without Docker. */
import { down, status, up } from './control.ts';

const [command, ...names] = process.argv.slice(2);
const exported = (settings: Record<string, string>): string => Object.entries(settings).map(([name, value]) => `export ${name}='${value}'\n`).join('');

if (command === 'up') {
  process.stdout.write(exported(await up(names, (line) => process.stderr.write(`${line}\n`))));
} else if (command === 'down') {
  await down(names);
} else if (command === 'status') {
  process.stdout.write(`${JSON.stringify(await status(), undefined, 2)}\n`);
} else {
  process.stderr.write('Usage: npm run engines -- up|down|status [NAME …]\n`up` prints the settings that lead the program to them.\n');
  process.exitCode = 2;
}
