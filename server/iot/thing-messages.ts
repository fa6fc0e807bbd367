/** What shadow and jobs have in common: requests of a thing on `$aws/things/{thing}/…`, answered by messages on topics. */

export interface ThingMessage {
  topic: string;
  payload: Uint8Array;
}

/** A service on reserved topics. Transport, identity and policy are the broker's: the thing is who the certificate says. */
export interface ThingService {
  /**
   * Answers a request, accepted or rejected; what is malformed is rejected as AWS IoT does, never thrown.
   * @returns what to publish, in order; undefined when the topic is none of this service
   */
  handle(thing: string, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[]> | undefined;
}
