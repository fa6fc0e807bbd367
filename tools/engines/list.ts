/** Every engine that `up` starts, in the order in which it does. */
import { dynamodb } from './dynamodb.ts';
import type { Engine } from './engine.ts';
import { kafka } from './kafka.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { s3 } from './s3.ts';

export const engines: readonly Engine[] = [postgres, redis, kafka, dynamodb, s3];
