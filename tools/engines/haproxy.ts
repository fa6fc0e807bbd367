/** Debian's HAProxy: the balancer before several gateways. It asks them whether they are ready, and sends nothing to one that says no. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { installPackages, requiredProgram } from './debian.ts';

/** How often a gateway is asked; it has to say that it stops for longer than this before it does (MOBILITY_DRAIN_MS). */
export const checkEveryMs = 200;

/** Answers with how many gateways it sends requests to. */
export const gatewaysPath = '/balancer/gateways';

const configuration = (port: number, gatewayPorts: readonly number[]): string => `
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  # A busy gateway answers late and is well all the same; one that stops says so.
  timeout check 10s
  timeout client 120s
  timeout server 120s
  timeout tunnel 1h
  # Only what no gateway has seen is sent to another one.
  option redispatch
  retries 3
  retry-on conn-failure
frontend door
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain lf-string "%[nbsrv(gateways)]" if { path ${gatewaysPath} }
  default_backend gateways
backend gateways
  balance leastconn
  http-reuse safe
  option httpchk GET /health/ready
  default-server check inter ${checkEveryMs}ms fall 1 rise 1 pool-purge-delay 1s
${gatewayPorts.map((gatewayPort, index) => `  server gateway-${index + 1} 127.0.0.1:${gatewayPort}`).join('\n')}
`;

const listens = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
};

/** @param gatewayPorts on 127.0.0.1; they need not be there yet */
export const haproxy = (gatewayPorts: readonly number[]): Engine => ({
  name: 'haproxy',
  install: () => installPackages('haproxy', ['haproxy']),
  async launch({ folder, port }) {
    const file = join(folder, 'haproxy.cfg');
    await writeFile(file, configuration(port, gatewayPorts));
    return { command: requiredProgram('haproxy'), arguments: ['-f', file, '-db'], isReady: () => listens(port), settings: {} };
  },
});
