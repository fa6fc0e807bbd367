/** Every setting of the program, in one place. `mobility config` prints this table. */
import { z } from 'zod';

const boolean = z.enum(['true', 'false']).transform((text) => text === 'true');
const list = z.string().transform((text) => text.split(',').map((part) => part.trim()).filter(Boolean));
const port = z.coerce.number().int().min(0).max(65_535);

/** `booking=http://a|http://b,user=http://c` */
const addressesByModule = (text: string): Record<string, string[]> =>
  Object.fromEntries(text.split(',').filter((pair) => pair.trim() !== '').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, Math.max(0, at)).trim(), pair.slice(at + 1).split('|').map((address) => address.trim()).filter(Boolean)];
  }));

interface Setting<T extends z.ZodType = z.ZodType> {
  schema: T;
  description: string;
  secret?: boolean;
}
const setting = <T extends z.ZodType>(schema: T, description: string, secret = false): Setting<T> => ({ schema, description, secret });

export const settings = {
  PORT: setting(port.default(8080), 'HTTP port of the gateway; 0 takes a free one'),
  HOST: setting(z.string().default('127.0.0.1'), 'address that the servers listen on'),
  MOBILITY_HOME: setting(z.string().default('./.mobility'), 'folder of all data of the embedded defaults'),
  MOBILITY_MODE: setting(z.enum(['demo', 'production']).default('demo'), 'demo: seeded city, simulator, provider sandboxes, tokens by command; production: none of them'),
  MOBILITY_PUBLIC_URL: setting(z.url().optional(), 'address under which people reach the gateway; http://localhost:PORT without it'),
  MOBILITY_MQTT_PORT: setting(port.default(0), 'TLS port of the MQTT broker; 0 takes a free one and keeps it in MOBILITY_HOME'),
  MOBILITY_IOT_WORKERS: setting(z.coerce.number().int().min(0).max(64).default(0), 'processes that hold the connections of vehicles, on one port; 0: this process'),
  MOBILITY_DATABASE_URL: setting(z.url().optional(), 'an external PostgreSQL, embedded without it: postgres://[owner:password@]host/database[?sslmode=…]; the owner makes schemas and roles, and may be left out once `mobility prepare` has; each module logs in as its own role', true),
  MOBILITY_REDIS_URL: setting(z.url({ protocol: /^rediss?$/ }).optional(), 'Redis for the cache that processes share: redis:// or rediss:// with user and password; each process counts for itself without it', true),
  MOBILITY_DYNAMODB_TABLE: setting(z.string().regex(/^[A-Za-z0-9_.-]{3,255}$/).optional(), 'table of DynamoDB for the key-value store, made when it is not there; a folder without it. Region and credentials as every program of AWS takes them (AWS_REGION, …)'),
  MOBILITY_DYNAMODB_URL: setting(z.url().optional(), 'address of a stand-in for DynamoDB; Amazon\'s own without it'),
  MOBILITY_KEYS_MASTER: setting(list.default([]), 'keeps signing keys and secrets in the key-value store, sealed with this: 32 random bytes in base64; after a comma older ones, which still open. A folder of MOBILITY_HOME without it', true),
  MOBILITY_S3_BUCKET: setting(z.string().regex(/^[a-z0-9.-]{3,63}$/).optional(), 'bucket of S3 for photos and other objects, made when it is not there; files without it. Region and credentials as above'),
  MOBILITY_S3_URL: setting(z.url().optional(), 'address of another store that speaks S3\'s API; Amazon\'s own without it'),
  MOBILITY_EVENT_RETENTION: setting(z.string().default('telemetry=0.5,vehicles=48').transform((text) => Object.fromEntries(text.split(',').filter(Boolean).map((pair) => { const [topic = '', hours] = pair.split('='); return [topic.trim(), Number(hours)] as const; }))).pipe(z.record(z.string().min(1), z.number().positive())), 'hours that events of a topic are kept after they were handled: topic=hours,…; other topics are kept for ever'),
  MOBILITY_KAFKA_BROKERS: setting(list.default([]), 'addresses of Kafka brokers, host:port,…, for the event log; embedded without it'),
  MOBILITY_KAFKA_PREFIX: setting(z.string().regex(/^[a-zA-Z0-9._-]{0,40}$/).default('mobility.'), 'stands before the names of all topics and groups in Kafka'),
  MOBILITY_KAFKA_PARTITIONS: setting(z.coerce.number().int().min(1).max(10_000).default(50), 'partitions of topics that the program makes in Kafka; a topic keeps its number'),
  MOBILITY_KAFKA_REPLICAS: setting(z.coerce.number().int().min(1).max(9).optional(), 'copies of topics that the program makes in Kafka; without it 3, or as many as there are brokers'),
  MOBILITY_KAFKA_FLUSH: setting(boolean.default(true), 'topics that the program makes with one copy: each batch is on the disk before it is acknowledged; without it they are many times as fast, and a power cut takes the last seconds'),
  MOBILITY_KAFKA_TLS: setting(boolean.default(false), 'TLS to Kafka; a CA or a certificate switches it on, too'),
  MOBILITY_KAFKA_CA: setting(z.string().optional(), "file of the authority that signed Kafka's certificates, in PEM; the system's authorities without it"),
  MOBILITY_KAFKA_CERTIFICATE: setting(z.string().optional(), 'file of our certificate for Kafka, in PEM'),
  MOBILITY_KAFKA_KEY: setting(z.string().optional(), 'file of the key of our certificate for Kafka, in PEM', true),
  MOBILITY_KAFKA_SASL: setting(z.enum(['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN']).default('SCRAM-SHA-512'), 'how user and password are shown to Kafka'),
  MOBILITY_KAFKA_USER: setting(z.string().min(1).optional(), 'user at Kafka'),
  MOBILITY_KAFKA_PASSWORD: setting(z.string().min(1).optional(), 'password at Kafka', true),
  MOBILITY_POOL_SIZE: setting(z.coerce.number().int().min(1).max(200).default(6), 'database connections for each module'),
  MOBILITY_PEERS: setting(z.string().default('').transform(addressesByModule).pipe(z.record(z.string().min(1), z.array(z.url({ protocol: /^https?$/ })).min(1))), 'where modules outside this process are: booking=http://host:port|http://other:port,…; calls are spread over the addresses of a module'),
  MOBILITY_INTERNAL_PORT: setting(port.default(0), 'HTTP port for calls from other processes, health and metrics; only opened with --target'),
  MOBILITY_INTERNAL_TLS_CERTIFICATE: setting(z.string().optional(), 'file of this process\'s certificate for calls between processes, in PEM; with key and CA, callers and called show each other certificates of that CA'),
  MOBILITY_INTERNAL_TLS_KEY: setting(z.string().optional(), 'file of the key of that certificate, in PEM', true),
  MOBILITY_INTERNAL_TLS_CA: setting(z.string().optional(), 'file of the authority that signs the certificates of all processes, in PEM'),
  MOBILITY_DRAIN_MS: setting(z.coerce.number().int().min(0).max(60_000).default(0), 'after SIGTERM: how long /health/ready says 503 and work is still taken, so that balancers and callers turn elsewhere; the ten seconds to stop begin after it'),
  MOBILITY_CORS_ORIGINS: setting(list.default([]), 'origins of browsers that may call the API, comma-separated'),
  MOBILITY_TRUSTED_PROXIES: setting(list.default([]), 'addresses or networks of proxies whose X-Forwarded-For is believed, comma-separated; it is ignored without'),
  MOBILITY_LIMIT_PER_USER: setting(z.coerce.number().int().min(1).default(600), 'requests a minute for one user'),
  MOBILITY_LIMIT_PER_CLIENT: setting(z.coerce.number().int().min(1).default(120), 'requests a minute without a token, for one address'),
  MOBILITY_METRICS_TOKEN: setting(z.string().min(16).optional(), 'bearer token of the scraper of the gateway\'s /metrics; without it they are open in demo mode, and not served in production', true),
  MOBILITY_TOKEN: setting(z.string().min(1).optional(), 'bearer token of commands that call a running program; without it they ask for a demo token', true),
  MOBILITY_LOG_LEVEL: setting(z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('warn'), 'least severity that is logged'),
  MOBILITY_OTLP_URL: setting(z.url().optional(), 'where traces are sent to, by OTLP (protobuf over HTTP): http://host:4318; nothing is recorded without'),
  MOBILITY_TRACE_RATIO: setting(z.coerce.number().min(0).max(1).default(1), 'share of the traces that begin at the platform and are recorded, 0 to 1; whatever continues one does as it says'),
  MOBILITY_TRACE_IDS: setting(z.enum(['w3c', 'xray']).default('w3c'), 'xray: trace ids begin with their second, as AWS X-Ray asks, and X-Amzn-Trace-Id is read and passed on'),
  MOBILITY_VEHICLES: setting(z.coerce.number().int().min(0).max(50_000).default(500), 'demo: simulated vehicles in Frankfurt'),
  MOBILITY_SIMULATOR: setting(boolean.default(true), 'demo: wake a simulated vehicle for each that the platform knows'),
  MOBILITY_SIMULATED_RIDERS: setting(z.coerce.number().int().min(0).max(2_000).default(20), 'demo: riders of the simulator, who use the public API'),
  MOBILITY_NEAR_FIELD_URL: setting(z.url().optional(), 'demo: the stand-in for the radio link between phone and vehicle; the simulator of the same process sets it'),
  MOBILITY_CLOCK_OFFSET_SECONDS: setting(z.coerce.number().default(0), 'demo: added to the clock, to see what time does'),
  MOBILITY_VERIFICATION: setting(z.enum(['automatic', 'manual']).optional(), 'who verifies identity and licence: automatic in demo mode, staff otherwise'),
  MOBILITY_MAP_STYLE_URL: setting(z.url().optional(), 'MapLibre style of the rider app; a plain style of our own zones without it'),
  MOBILITY_RIDER_APP: setting(boolean.default(true), 'build and serve the rider app'),
  MOBILITY_STRIPE_URL: setting(z.url().optional(), 'address of Stripe; the local sandbox in demo mode'),
  MOBILITY_STRIPE_KEY: setting(z.string().optional(), 'secret key of Stripe', true),
  MOBILITY_ADYEN_URL: setting(z.url().optional(), 'address of Adyen checkout; the local sandbox in demo mode'),
  MOBILITY_ADYEN_KEY: setting(z.string().optional(), 'API key of Adyen', true),
  MOBILITY_ADYEN_MERCHANT: setting(z.string().default('MobilityCorp'), 'merchant account at Adyen'),
  MOBILITY_PAYMENT_TIMEOUT_MS: setting(z.coerce.number().int().min(100).max(60_000).default(8_000), 'how long a payment provider may take; then the payment is uncertain and is asked for'),
} satisfies Record<string, Setting>;

type Raw = { [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> };
export type Configuration = Raw & {
  publicUrl: string;
  demo: boolean;
};

/** A setting that cannot be used; the message names it. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}

/** @throws ConfigurationError with a sentence that names the setting and what it takes. */
export function readConfiguration(environment: Record<string, string | undefined>): Configuration {
  const values: Record<string, unknown> = {};
  for (const [name, { schema, description, secret }] of Object.entries(settings) as [string, Setting][]) {
    const given = environment[name] === '' ? undefined : environment[name];
    const parsed = schema.safeParse(given);
    if (!parsed.success) {
      const shown = secret ? 'the given value' : `"${given}"`;
      throw new ConfigurationError(`${name} cannot be ${shown}: ${parsed.error.issues.map((issue) => issue.message).join('; ')} (${description})`);
    }
    values[name] = parsed.data;
  }
  const known = new Set(Object.keys(settings));
  const misspelt = Object.keys(environment).find((name) => name.startsWith('MOBILITY_') && !known.has(name) && !name.startsWith('MOBILITY_TEST_'));
  if (misspelt) throw new ConfigurationError(`${misspelt} is not a setting of this program; \`mobility config\` lists them`);
  const raw = values as Raw;
  return { ...raw, publicUrl: raw.MOBILITY_PUBLIC_URL ?? `http://localhost:${raw.PORT}`, demo: raw.MOBILITY_MODE === 'demo' };
}
