/**
 * What a segment of the path names. The router leaves reserved characters as they are, and vehicles of
 * other operators' feeds have colons in their ids. A segment that is not well-formed names itself.
 */
export function pathSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return segment;
    throw error;
  }
}
