/** Telemetry in a process of its own, to be killed: `node child.ts HOME DATABASE_URL`. Prints `ready`. */
import { readConfiguration } from '../../../program/configuration.ts';
import { openPorts } from '../../../program/ports.ts';
import { startProcess } from '../../../program/process.ts';
import { moduleOf } from '../../../program/testing.ts';
import { vehicleContract } from '../../vehicle/contract.ts';
import { telemetryModule } from '../module.ts';

const [home = '', url = ''] = process.argv.slice(2);
const configuration = readConfiguration({ PORT: '0', MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'error', MOBILITY_POOL_SIZE: '4', MOBILITY_DATABASE_URL: url });
await startProcess({ configuration, ports: await openPorts(configuration), modules: [moduleOf(vehicleContract, { listZones: async () => ({ items: [] }) }), telemetryModule] });
process.stdout.write('ready\n');
