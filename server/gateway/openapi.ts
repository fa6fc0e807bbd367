/** The OpenAPI 3.1 document, made from the contracts without starting anything. */
import { z } from 'zod';
import type { Operation } from '../wire/contract.ts';
import { type ProblemCode, problems } from '../wire/problem.ts';
import { apiScopes } from './identity/scopes.ts';
import type { PublicOperation } from './routes.ts';

type JsonSchema = Record<string, unknown>;

/** @param io what a client sends (`input`) or is given (`output`) */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12', reused: 'inline' }) as JsonSchema;
  return json;
}

/** Refusals that every route may answer with, beside its own. */
function commonErrors(operation: Operation): ProblemCode[] {
  const sends = operation.body !== undefined || operation.consumes !== undefined;
  return [
    'invalid-request', 'too-many-requests', 'internal', 'unavailable', 'timeout',
    ...(operation.access === 'anyone' ? [] : (['unauthenticated', 'forbidden'] as const)),
    ...(operation.idempotent ? (['idempotency-key-missing', 'idempotency-key-reused'] as const) : []),
    ...(sends ? (['payload-too-large', 'unsupported-media-type'] as const) : []),
    ...(sends && operation.consumes !== 'multipart/form-data' ? (['malformed-json'] as const) : []),
    ...(operation.produces ? (['not-acceptable'] as const) : []),
  ];
}

function errorResponses(operation: Operation): JsonSchema {
  const codes = [...new Set([...operation.errors, ...commonErrors(operation)])];
  const byStatus = Map.groupBy(codes, (code) => problems[code].status);
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, list]) => [String(status), {
    description: list.map((code) => `\`${code}\`: ${problems[code].title}`).join('. '),
    ...(status === 429 && { headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'seconds to wait' } } }),
    content: { 'application/problem+json': { schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: { code: { enum: list } } }] } } },
  }]));
}

function parametersOf(operation: Operation): JsonSchema[] {
  const of = (place: 'path' | 'query', schema: z.ZodType | undefined): JsonSchema[] => {
    if (!schema) return [];
    const { properties = {}, required = [] } = schemaOf(schema, 'input') as { properties?: Record<string, JsonSchema>; required?: string[] };
    return Object.entries(properties).map(([name, { description, ...rest }]) => ({
      name, in: place, required: place === 'path' || required.includes(name), ...(description !== undefined && { description }), schema: rest,
    }));
  };
  const key = { name: 'Idempotency-Key', in: 'header', required: true, description: 'the same key with the same request has one effect', schema: { type: 'string', minLength: 1, maxLength: 200 } };
  return [...of('path', operation.params), ...of('query', operation.query), ...(operation.idempotent ? [key] : [])];
}

function requestBodyOf(operation: Operation): JsonSchema | undefined {
  if (operation.consumes === 'multipart/form-data') {
    const schema = { type: 'object', properties: { file: { type: 'string', contentMediaType: 'application/octet-stream' } }, required: ['file'] };
    return { required: true, content: { 'multipart/form-data': { schema } } };
  }
  if (!operation.body) return undefined;
  return { required: true, content: { 'application/json': { schema: schemaOf(operation.body, 'input') } } };
}

function successOf(operation: Operation): JsonSchema {
  const json = operation.response ? schemaOf(operation.response, 'output') : undefined;
  const types = operation.produces ?? (json ? ['application/json'] : []);
  const content = Object.fromEntries(types.map((type) => [type, { schema: type === 'application/json' ? json ?? {} : { type: 'string' } }]));
  return {
    description: operation.summary,
    headers: { 'X-Request-Id': { schema: { type: 'string' } }, 'RateLimit': { schema: { type: 'string' }, description: 'requests that are left, and seconds until all are again' } },
    ...(types.length > 0 && { content }),
  };
}

/** Tags group the routes in readers: the first part of the path after the version. */
const tagOf = (path: string): string => path.split('/')[2] ?? 'platform';

function describe({ module, name, operation }: PublicOperation): JsonSchema {
  const requestBody = requestBodyOf(operation);
  const { access } = operation;
  return {
    operationId: `${module}.${name}`,
    summary: operation.summary,
    tags: [tagOf(operation.path)],
    ...(access !== 'anyone' && { description: `Roles: ${access.roles.join(', ')}.`, 'x-roles': access.roles }),
    security: access === 'anyone' ? [] : [{ oauth: [access.scope] }],
    parameters: parametersOf(operation),
    ...(requestBody && { requestBody }),
    responses: { [String(operation.status)]: successOf(operation), ...errorResponses(operation) },
  };
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457; `code` is stable',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' }, title: { type: 'string' }, status: { type: 'integer' }, code: { type: 'string', enum: Object.keys(problems) },
    detail: { type: 'string' }, requestId: { type: 'string' }, retryAfterSeconds: { type: 'number' },
    errors: { type: 'array', items: { type: 'object', required: ['pointer', 'message'], properties: { pointer: { type: 'string' }, message: { type: 'string' } } } },
  },
};

/** @param publicUrl without a slash at the end */
export function openApiDocument(operations: readonly PublicOperation[], publicUrl: string): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const entry of operations) (paths[entry.operation.path] ??= {})[entry.operation.method.toLowerCase()] = describe(entry);
  const scopes = Object.fromEntries(apiScopes.split(' ').map((scope) => [scope, scope]));
  const oidc = `${publicUrl}/oidc`;
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Mobility', version: '1', summary: 'Find, book, unlock, ride, return and pay shared vehicles',
      description: 'JSON in camelCase; errors are problem+json with a stable `code`; lists are `{ items, next }`.', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
    tags: [...new Set(operations.map(({ operation }) => tagOf(operation.path)))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: {
        oauth: {
          type: 'oauth2', description: 'Authorization code with PKCE for apps, client credentials for machines; access tokens for the resource `urn:mobility:api`',
          flows: {
            authorizationCode: { authorizationUrl: `${oidc}/auth`, tokenUrl: `${oidc}/token`, refreshUrl: `${oidc}/token`, scopes },
            clientCredentials: { tokenUrl: `${oidc}/token`, scopes },
          },
        },
      },
    },
  };
}
