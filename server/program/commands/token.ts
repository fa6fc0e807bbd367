/** `mobility token EMAIL [--role rider|staff|admin]`: a bearer token for scripts, in demo mode. */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { AccountRole } from '../../services/user/contract.ts';
import { readConfiguration } from '../configuration.ts';
import { CommandError, demoClient } from './demo-client.ts';

/** What a command needs of the process. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdout: { write(text: string): unknown };
}

function readArguments(rest: string[]): { email: string; role: z.infer<typeof AccountRole> } {
  const usage = 'Usage: mobility token EMAIL [--role rider|staff|admin]';
  const parse = () => parseArgs({ args: rest, allowPositionals: true, options: { role: { type: 'string', default: 'rider' } } });
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse();
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
  const [email, ...more] = parsed.positionals;
  if (!email || more.length > 0) throw new CommandError(usage);
  if (!z.email().safeParse(email).success) throw new CommandError(`"${email}" is not an e-mail address. ${usage}`);
  const role = AccountRole.safeParse(parsed.values.role);
  if (!role.success) throw new CommandError(`There is no role "${parsed.values.role}". ${usage}`);
  return { email, role: role.data };
}

/** Prints the token. @throws CommandError with a sentence for the person at the terminal */
export async function runToken(rest: string[], { env, stdout }: Terminal): Promise<number> {
  const { email, role } = readArguments(rest);
  const client = await demoClient(readConfiguration(env), env);
  const { token } = await client.token(email, role);
  stdout.write(`${token}\n`);
  return 0;
}
