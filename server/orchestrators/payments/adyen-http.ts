/**
 * The HTTP client that Adyen's library is given: keeps connections, speaks to the configured
 * address, and says of a failed connection whether anything was sent. The library's own client
 * opens a connection for each call, speaks https only and hides the reason of a failure.
 */
import type { ApiError } from '@adyen/api-library/lib/src/typings/apiError.js';
import type ClientInterfaceModule from '@adyen/api-library/lib/src/httpClient/clientInterface.js';
import { Agent, fetch } from 'undici';
import { HttpClientException } from './adyen-library.ts';

type ClientInterface = ClientInterfaceModule.default;

const libraryBase = 'https://checkout-test.adyen.com/';

export class AdyenHttpClient implements ClientInterface {
  readonly #baseUrl: string;
  readonly #agent = new Agent({ connections: 64 });

  /** @param baseUrl what stands before `/v72/payments` */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
  }

  request: ClientInterface['request'] = async (endpoint, json, config, _isApiKeyRequired, requestOptions = {}) => {
    const url = new URL(endpoint.replace(libraryBase, this.#baseUrl));
    for (const [name, value] of new URLSearchParams(requestOptions.params)) url.searchParams.set(name, value);
    const method = requestOptions.method ?? 'POST';
    const response = await fetch(url, {
      method, dispatcher: this.#agent,
      headers: {
        'content-type': 'application/json', 'accept': 'application/json', 'x-api-key': config.apiKey ?? '',
        ...(requestOptions.idempotencyKey !== undefined && { 'idempotency-key': requestOptions.idempotencyKey }),
      },
      ...(method === 'POST' && { body: json.toString() }),
      signal: AbortSignal.timeout(config.connectionTimeoutMillis ?? 30_000),
    });
    const responseBody = await response.text();
    if (response.ok) return responseBody;
    const apiError = parseError(responseBody);
    throw new HttpClientException({
      message: `Adyen answered ${response.status}: ${apiError?.message ?? responseBody.slice(0, 200)}`, statusCode: response.status, errorCode: apiError?.errorCode, responseBody, apiError,
    });
  };

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

function parseError(body: string): ApiError | undefined {
  try {
    return JSON.parse(body) as ApiError;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
