import { settings } from '../configuration.ts';

/** Prints the settings with their defaults and what they mean. */
export async function runConfig(output: NodeJS.WritableStream): Promise<number> {
  for (const [name, { schema, description, ...rest }] of Object.entries(settings)) {
    const parsed = schema.safeParse(undefined);
    const shown = parsed.success && parsed.data !== undefined ? JSON.stringify(parsed.data) : 'not set';
    output.write(`${name}\n    ${description}${'secret' in rest && rest.secret ? ' (secret)' : ''}\n    default: ${shown}\n`);
  }
  return 0;
}
