/** The command line of the program: `mobility <command>`. Each command is loaded only when it is asked for. */
import { ConfigurationError } from './program/configuration.ts';

type Command = { summary: string; run(commandArguments: string[]): Promise<number> };

const commands: Record<string, Command> = {
  serve: {
    summary: 'start the program: serve [--target=booking,payment | all]',
    run: async (rest) => (await import('./program/commands/serve.ts')).runServe(rest),
  },
  simulate: {
    summary: 'demo: payment sandboxes, vehicles and riders for a program in other processes',
    run: async () => (await import('./program/commands/simulate.ts')).runSimulate(),
  },
  config: {
    summary: 'print every setting with its default',
    run: async () => (await import('./program/commands/config.ts')).runConfig(process.stdout),
  },
  prepare: {
    summary: 'make the schemas and roles of all modules in MOBILITY_DATABASE_URL, with its owner: prepare [--target=booking,payment | all]',
    run: async (rest) => (await import('./program/commands/prepare.ts')).runPrepare(rest, process.stdout),
  },
  admin: {
    summary: 'make somebody an administrator, or staff, where the installation is: admin EMAIL [--role staff] [--withdraw] [--create …]',
    run: async (rest) => (await import('./program/commands/admin.ts')).runAdmin(rest, process),
  },
  token: {
    summary: 'demo: print a bearer token: token EMAIL [--role rider|staff|admin]',
    run: async (rest) => (await import('./program/commands/token.ts')).runToken(rest, process),
  },
  city: {
    summary: 'print counts of vehicles, bookings, ledger and events as JSON',
    run: async (rest) => (await import('./program/commands/city.ts')).runCity(rest, process),
  },
  watch: {
    summary: 'watch devices, telemetry, incidents and rollouts: watch [--once] [--json]',
    run: async (rest) => (await import('./program/commands/watch.ts')).runWatch(rest, process),
  },
  import: {
    summary: 'make a city of an operator\'s feed: import gbfs URL|FOLDER [--id city] [--dry-run]',
    run: async (rest) => (await import('./program/commands/import.ts')).runImport(rest, process),
  },
  bundle: {
    summary: 'pack a folder, sign and store it for vehicles: bundle FOLDER --kind firmware|models|zones --version X.Y.Z',
    run: async (rest) => (await import('./program/commands/bundle.ts')).runBundle(rest, process),
  },
  keys: {
    summary: 'make every signing key and secret of an installation, for a secret store: keys FOLDER',
    run: async (rest) => (await import('./program/commands/keys.ts')).runKeys(rest, process.stdout),
  },
  rotate: {
    summary: 'make the next key that signs access tokens; running programs take it over: rotate tokens',
    run: async (rest) => (await import('./program/commands/rotate.ts')).runRotate(rest, process.stdout),
  },
  bench: {
    summary: 'run a benchmark and print its figures: bench NAME',
    run: async (rest) => (await import('./program/commands/bench.ts')).runBench(rest),
  },
  engines: {
    summary: 'install and run the engines of a large installation on this machine: engines up|down|status',
    run: async (rest) => (await import('./program/commands/tool.ts')).runTool(new URL('../tools/engines/main.ts', import.meta.url), rest),
  },
  chaos: {
    summary: 'break a city under load in every way that is known: chaos [--embedded] [--faults a,b] [--rounds N] [--seed S] [--minutes M]',
    run: async (rest) => (await import('./program/commands/tool.ts')).runTool(new URL('../tests/chaos/main.ts', import.meta.url), rest),
  },
  simulation: {
    summary: 'replay a seed of the simulated platform, or try many: simulation [--seed S] [--steps N] [--seeds N] [--log]',
    run: async (rest) => (await import('./program/commands/tool.ts')).runTool(new URL('../tests/simulation/main.ts', import.meta.url), rest),
  },
  'run-tests': {
    summary: 'run all tests (what `npm test` does)',
    run: async (rest) => (await import('./program/commands/run-tests.ts')).runTests(rest),
  },
};

const usage = (): string => ['Usage: mobility COMMAND', '', ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`), ''].join('\n');

async function main([name, ...rest]: string[]): Promise<number> {
  if (!name || name === 'help' || name === '--help') {
    process.stdout.write(usage());
    return name ? 0 : 2;
  }
  const command = commands[name];
  if (!command) {
    process.stderr.write(`There is no command "${name}".\n\n${usage()}`);
    return 2;
  }
  return command.run(rest);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof ConfigurationError;
  process.stderr.write(`${expected || !(error instanceof Error) ? String((error as Error).message) : error.stack}\n`);
  process.exitCode = expected ? 2 : 1;
}
