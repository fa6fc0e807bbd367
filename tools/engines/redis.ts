import { run, type Engine } from './engine.ts';
import { installPackages, requiredProgram } from './debian.ts';

export const redis: Engine = {
  name: 'redis',
  install: () => installPackages('redis-server', ['redis-server']),
  launch: async ({ folder, port }) => ({
    command: requiredProgram('redis-server'),
    arguments: ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no', '--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru'],
    isReady: async () => (await run(requiredProgram('redis-cli'), ['-p', String(port), 'ping'])).trim() === 'PONG',
    settings: { MOBILITY_REDIS_URL: `redis://127.0.0.1:${port}` },
  }),
};
