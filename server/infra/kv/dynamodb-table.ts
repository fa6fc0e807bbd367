/** The table of DynamoDB: found, or made when it is not there and we may make it. */
import { CreateTableCommand, DescribeTableCommand, type DynamoDBClient, ResourceInUseException, ResourceNotFoundException, UpdateTimeToLiveCommand, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { errorName, rethrow } from '../aws.ts';

const readyWithinSeconds = 60;

async function exists(client: DynamoDBClient, TableName: string): Promise<boolean> {
  try {
    await client.send(new DescribeTableCommand({ TableName }));
    return true;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return false;
    // Who may not look may still read and write.
    if (errorName(error) === 'AccessDeniedException') return true;
    return rethrow('DynamoDB', error);
  }
}

async function create(client: DynamoDBClient, TableName: string): Promise<void> {
  try {
    await client.send(new CreateTableCommand({
      TableName, BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'partition', AttributeType: 'S' }, { AttributeName: 'key', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'partition', KeyType: 'HASH' }, { AttributeName: 'key', KeyType: 'RANGE' }],
    }));
  } catch (error) {
    // Another process that starts with us was faster.
    if (error instanceof ResourceInUseException) return;
    if (errorName(error) === 'AccessDeniedException') throw new Error(`the table ${TableName} of DynamoDB is not there, and we may not make it`, { cause: error });
    rethrow('DynamoDB', error);
  }
}

/** @throws Error when it is not there and may not be made; Problem `unavailable` */
export async function ensureTable(client: DynamoDBClient, tableName: string): Promise<void> {
  if (await exists(client, tableName)) return;
  await create(client, tableName);
  await waitUntilTableExists({ client, maxWaitTime: readyWithinSeconds, minDelay: 1, maxDelay: 2 }, { TableName: tableName });
  // Expired items are never returned in any case; this is so that they do not pile up.
  await client.send(new UpdateTimeToLiveCommand({ TableName: tableName, TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true } })).catch((error: unknown) => {
    // Enabled already, by the process that was faster.
    if (errorName(error) !== 'ValidationException') rethrow('DynamoDB', error);
  });
}
