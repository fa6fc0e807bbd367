/** Dependencies point one way: apps → gateway → services → infra. Each rule says what it protects. */
import { type BoundaryRule, isTest } from './boundaries.ts';

/** Folders of modules: each is called through its contract only. */
const moduleFolder = String.raw`server/(?:gateway|iot|(?:services|orchestrators|intelligence|lake)/[a-z-]+)`;
const wiring = /^server\/(modules|targets|main)\.ts$|^server\/program\//;

export const boundaryRules: readonly BoundaryRule[] = [
  {
    name: 'a module is called through its contract',
    reason: 'Import its contract.ts and call it with `context.client(contract)`: it may run in another process.',
    from: new RegExp(`^(${moduleFolder})/`), fromNot: isTest,
    to: `^${moduleFolder}/`, toNot: String.raw`^$1/|/contract\.ts$`,
  },
  {
    name: 'only the composition root knows modules',
    reason: 'Add the module to server/targets.ts; everything else sees contracts.',
    from: /^(server|simulator|libs|tools)\//, fromNot: new RegExp(`${wiring.source}|${isTest.source}`),
    to: String.raw`/module\.ts$`, toNot: String.raw`^server/module\.ts$`,
    typesAllowed: true,
  },
  {
    name: 'domain code does no I/O',
    reason: 'Rules are pure and synchronous: pass in what was read, and leave clock, randomness, network and files to the caller.',
    from: /^(server\/.+\/domain)\//, fromNot: isTest,
    to: '.', toNot: String.raw`^$1/|/contract\.ts$|^server/wire/schemas\.ts$|^server/.+/domain/|^edge/protocol/|^libs/|^h3-js$`,
    typesAllowed: true,
  },
  {
    name: 'domain code of another module is not shared',
    reason: 'What two modules need belongs in a contract or in libs/.',
    from: /^(server\/.+\/domain)\//,
    to: String.raw`^server/.+/domain/`, toNot: '^$1/',
  },
  {
    name: 'modules use ports, not adapters',
    reason: 'Take the port from the ModuleContext: at scale another adapter stands behind it.',
    from: new RegExp(`^${moduleFolder}/`), fromNot: isTest,
    to: '^server/infra/', toNot: String.raw`/port\.ts$|^server/infra/observability/trace\.ts$`,
  },
  {
    name: 'modules do not know the program that runs them',
    reason: 'What a module needs comes in with its context; only the type of the configuration is known.',
    from: new RegExp(`^${moduleFolder}/|^server/(infra|wire)/`), fromNot: isTest,
    to: String.raw`^server/(program|main|modules|targets|demo)`,
    typesAllowed: true,
  },
  {
    name: 'infra knows no business',
    reason: 'Ports and adapters serve every module alike.',
    from: /^server\/infra\//, fromNot: isTest,
    to: `^${moduleFolder}/|^server/(module|modules|targets|main)\\.ts$`,
  },
  {
    name: 'the wire knows nobody',
    reason: 'Contracts, problems and the client are below everything else.',
    from: /^server\/wire\//, fromNot: isTest,
    to: '^server/', toNot: '^server/wire/',
  },
  {
    name: 'contracts hold no behaviour',
    reason: 'A contract is read without starting anything, and by the apps: Zod, shared schemas and other contracts only.',
    from: /^(server\/.+)\/contract\.ts$/,
    to: '.', toNot: String.raw`^zod$|^server/wire/|/contract\.ts$|^edge/protocol/`,
  },
  {
    name: 'apps see types of contracts only',
    reason: 'No line of the server may end up in what is shipped to phones: `import type`, from contract.ts, problem.ts or schemas.ts.',
    from: /^apps\//,
    to: '^(server|simulator|bench|tests|tools)/', toNot: String.raw`^server/(.+/contract|wire/[a-z]+)\.ts$`,
  },
  {
    name: 'apps bundle nothing of the server',
    reason: 'Write `import type`: the bundler follows every other import.',
    from: /^apps\/[^/]+\/(src|index)/, fromNot: isTest,
    to: '^server/',
    typesAllowed: true,
  },
  {
    name: 'libs stand alone',
    reason: 'What others could use alone has no import from the rest of the repository.',
    from: /^(libs\/[^/]+)\//,
    to: '^(server|simulator|apps|bench|tests|tools|libs)/', toNot: '^$1/',
  },
  {
    name: 'the agent stands alone',
    reason: 'It is installed on a vehicle from its own folder: nothing of the rest of the repository is there.',
    from: /^edge\//, fromNot: isTest,
    to: '^(server|simulator|apps|bench|tests|tools|libs)/',
  },
  {
    name: 'the platform knows the protocol of the agent only',
    reason: 'What vehicle and platform agree on lies in edge/protocol; the rest of the agent may differ from vehicle to vehicle.',
    from: /^server\//, fromNot: isTest,
    to: '^edge/', toNot: '^edge/protocol/',
  },
  {
    name: 'the simulator is an outsider',
    reason: 'Its vehicles and riders come in through MQTT and the public API; it may read contracts and the pure rules, never a store or a handler.',
    from: /^simulator\//, fromNot: isTest,
    to: '^server/', toNot: String.raw`/contract\.ts$|/domain/|^server/wire/|/port\.ts$`,
  },
  {
    name: 'nothing imports tests',
    reason: 'What tests share lives in testing/ or conformance.ts and is imported by tests only.',
    from: /^(server|simulator|libs|apps|tools)\//, fromNot: isTest,
    to: String.raw`^tests/|\.test\.tsx?$|/testing/|/testing\.ts$|/conformance[a-z-]*\.ts$|^(vitest|fast-check)$`,
  },
  {
    name: 'nobody below calls the gateway',
    reason: 'The gateway is the one door to the outside; inside, modules call each other by contract.',
    from: /^server\/(?!gateway\/|program\/|modules|targets|main|demo).+/, fromNot: isTest,
    to: '^server/gateway/',
  },
];
