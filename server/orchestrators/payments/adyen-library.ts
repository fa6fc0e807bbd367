/**
 * The parts of Adyen's library that we use, one by one: the whole of it takes half a second and
 * 35 MB to load. It is CommonJS with default exports, which `require` reads alike everywhere.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const library = '@adyen/api-library/lib/src';

type ClientFile = typeof import('@adyen/api-library/lib/src/client.js');
type ConfigFile = typeof import('@adyen/api-library/lib/src/config.js');
type ExceptionFile = typeof import('@adyen/api-library/lib/src/httpClient/httpClientException.js');
type PaymentsFile = typeof import('@adyen/api-library/lib/src/services/checkout/paymentsApi.js');
type ModificationsFile = typeof import('@adyen/api-library/lib/src/services/checkout/modificationsApi.js');
type RecurringFile = typeof import('@adyen/api-library/lib/src/services/checkout/recurringApi.js');

export const { default: Client } = require(`${library}/client.js`) as ClientFile;
export const { default: Config, EnvironmentEnum } = require(`${library}/config.js`) as ConfigFile;
export const { default: HttpClientException } = require(`${library}/httpClient/httpClientException.js`) as ExceptionFile;
export const { PaymentsApi } = require(`${library}/services/checkout/paymentsApi.js`) as PaymentsFile;
export const { ModificationsApi } = require(`${library}/services/checkout/modificationsApi.js`) as ModificationsFile;
export const { RecurringApi } = require(`${library}/services/checkout/recurringApi.js`) as RecurringFile;
