import { openS3Blobs } from './s3.ts';

/** The store in a bucket of the engine; the child process of the contract suite imports this. */
export const openAt = (location: string) => openS3Blobs(JSON.parse(location) as { url: string; bucket: string });
