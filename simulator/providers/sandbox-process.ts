/** A Stripe sandbox as a process of its own, for tests that kill it: `node sandbox-process.ts FOLDER`, prints its address. */
import { startStripeSandbox } from './stripe.ts';

const [, , folder] = process.argv;
if (!folder) throw new Error('a folder is needed');
const { url } = await startStripeSandbox({ port: 0, folder });
process.stdout.write(`${url}\n`);
