/** What Amazon's SDK asks of the environment; the stand-ins take any credentials, or these. */
export const awsSettings = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'mobility', AWS_SECRET_ACCESS_KEY: 'mobility-secret' };
