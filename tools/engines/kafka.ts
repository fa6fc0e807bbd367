/** Apache Kafka's own server, in KRaft mode: its jars come from Maven Central and are kept for the next time. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { freePort } from '../../server/infra/free-port.ts';
import { installPackages, requiredProgram } from './debian.ts';
import { run, startEngine, type Engine, type Launch, type Place, type RunningEngine } from './engine.ts';

const version = '4.1.1';
const home = join(homedir(), '.cache', 'mobility-engines', `kafka-${version}`);
const jars = join(home, 'libs');

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mobility</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`;

const logging = `status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %-5p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
`;

async function install(): Promise<void> {
  await installPackages('java', ['openjdk-17-jre-headless']);
  if (existsSync(jars)) return;
  await installPackages('mvn', ['maven', 'openjdk-17-jre-headless']);
  // Beside, then renamed: a download that was cut off is never taken for a whole one.
  const building = `${home}.${process.pid}`;
  await mkdir(building, { recursive: true });
  await writeFile(join(building, 'pom.xml'), pom);
  await writeFile(join(building, 'log4j2.properties'), logging);
  await run(requiredProgram('mvn'), ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(building, 'libs')}`, '-DincludeScope=runtime'], { folder: building });
  await rename(building, home).catch(async (error: unknown) => {
    // Somebody else was faster.
    if (!existsSync(jars)) throw error;
    await rm(building, { recursive: true });
  });
}

export interface KafkaNode {
  id: number;
  controllerPort: number;
  /** Of all nodes of the cluster: `1@127.0.0.1:9093,…`. */
  voters: string;
  replicas: number;
  minimumInSync: number;
  clusterId: string;
  /** Further settings of the server; they win. */
  properties?: Readonly<Record<string, string>>;
  /** Further arguments of the storage tool: users that exist from the first start. */
  formatArguments?: readonly string[];
  /** Whether it answers, where a client needs more than its address. */
  isReady?(address: string): Promise<boolean>;
}

/** A member that is gone is counted out after six seconds, and hears of changes in half a second. */
const groupProperties = {
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.min.heartbeat.interval.ms': '100',
  'group.consumer.heartbeat.interval.ms': '500',
};

const propertiesOf = (node: KafkaNode, { folder, port }: Place): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': String(node.id),
  'controller.quorum.voters': node.voters,
  'controller.listener.names': 'CONTROLLER',
  'listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
  'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL',
  'log.dirs': join(folder, 'data'),
  'default.replication.factor': String(node.replicas),
  'min.insync.replicas': String(node.minimumInSync),
  'offsets.topic.replication.factor': String(node.replicas),
  'offsets.topic.num.partitions': '8',
  'transaction.state.log.replication.factor': String(node.replicas),
  'transaction.state.log.min.isr': String(node.minimumInSync),
  'auto.create.topics.enable': 'false',
  'log.index.size.max.bytes': '1048576',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'broker.session.timeout.ms': '6000',
  'controlled.shutdown.enable': 'true',
  ...groupProperties,
  ...node.properties,
});

const javaArguments = (heapMegabytes: number): string[] => [
  `-Xmx${heapMegabytes}m`, `-Xms${Math.min(128, heapMegabytes)}m`, '-XX:+UseSerialGC', '-Djava.awt.headless=true', `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`, '-cp', join(jars, '*'),
];

/** Whether a broker answers and takes part. */
async function answers(address: string): Promise<boolean> {
  const admin = new Admin({ clientId: 'engines', bootstrapBrokers: [address], retries: 0, connectTimeout: 1000, timeout: 2000 });
  try {
    const { brokers } = await admin.metadata({ topics: [] });
    return [...brokers.values()].some(({ host, port }) => `${host}:${port}` === address);
  } finally {
    await admin.close();
  }
}

async function launchNode(node: KafkaNode, place: Place): Promise<Launch> {
  const configuration = join(place.folder, 'server.properties');
  const java = requiredProgram('java');
  const text = Object.entries(propertiesOf(node, place)).map(([name, value]) => `${name}=${value}\n`).join('');
  await writeFile(configuration, text);
  if (!existsSync(join(place.folder, 'data', 'meta.properties'))) {
    await run(java, [...javaArguments(128), 'kafka.tools.StorageTool', 'format', '--cluster-id', node.clusterId, '--config', configuration, ...(node.formatArguments ?? [])]);
  }
  const address = `127.0.0.1:${place.port}`;
  return {
    command: java,
    arguments: [...javaArguments(320), 'kafka.Kafka', configuration],
    isReady: () => (node.isReady ?? answers)(address),
    readyWithinMs: 120_000,
    // Nothing here has to outlive the machine.
    settings: { MOBILITY_KAFKA_BROKERS: address, MOBILITY_KAFKA_FLUSH: 'false' },
  };
}

/** The second port of a single node; the same at every start. */
async function controllerPortIn(folder: string): Promise<number> {
  const file = join(folder, 'controller-port');
  const known = Number(await readFile(file, 'utf8').catch(() => ''));
  if (known > 0) return known;
  const port = await freePort();
  await writeFile(file, String(port));
  return port;
}

const clusterId = 'bW9iaWxpdHkta2Fma2EtMQ';

/** One broker. @param settings further settings of the server, users and how to tell that it answers */
export function kafkaBroker(settings: Pick<KafkaNode, 'formatArguments' | 'isReady'> & { propertiesFor?(place: Place, controllerPort: number): Record<string, string> } = {}): Engine {
  return {
    name: 'kafka',
    install,
    async launch(place) {
      const controllerPort = await controllerPortIn(place.folder);
      const { propertiesFor, ...rest } = settings;
      return launchNode({ ...rest, id: 1, controllerPort, voters: `1@127.0.0.1:${controllerPort}`, replicas: 1, minimumInSync: 1, clusterId, properties: propertiesFor?.(place, controllerPort) ?? {} }, place);
    },
  };
}

export const kafka: Engine = kafkaBroker();

export interface KafkaCluster {
  /** By the number of the node, from 0; replace one with what its `restart` gave. */
  nodes: RunningEngine[];
  brokers: string;
  stop(): Promise<void>;
}

/** Three brokers that hold three copies of everything, two of which an append waits for. For tests: `stop` removes their data. */
export async function startKafkaCluster(): Promise<KafkaCluster> {
  await install();
  const folder = join(tmpdir(), `kafka-cluster-${process.pid}-${Date.now()}`);
  const ports = await Promise.all([1, 2, 3].map(async (id) => ({ id, port: await freePort(), controllerPort: await freePort() })));
  const voters = ports.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(',');
  const nodes = await Promise.all(ports.map(({ id, port, controllerPort }) => startEngine({
    name: `kafka-${id}`, install,
    launch: (place) => launchNode({ id, controllerPort, voters, replicas: 3, minimumInSync: 2, clusterId }, place),
  }, { folder: join(folder, String(id)), port })));
  return {
    nodes,
    brokers: nodes.map(({ settings }) => settings['MOBILITY_KAFKA_BROKERS']).join(','),
    async stop() {
      await Promise.all(nodes.map((node) => node.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
