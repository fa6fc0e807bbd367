/**
 * The attacks on the whole program, one after another on one program: starting it takes longer than they do.
 * Each of these files registers tests of its own.
 */
import { afterAll } from 'vitest';
import { closeWorld } from './world.ts';
import './tokens.ts';
import './ownership.ts';
import './wire.ts';
import './routes.ts';
import './accounts.ts';
import './inputs.ts';

afterAll(closeWorld);
