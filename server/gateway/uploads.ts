/** Files that come in by multipart/form-data, held in memory up to the route's limit. */
import type { FastifyRequest } from 'fastify';
import type { Upload } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';

const mostFiles = 10;
const mostFields = 30;

/** @throws Problem `payload-too-large`, `invalid-request` when the body breaks off or is not multipart inside */
export async function readUploads(request: FastifyRequest, limitBytes: number): Promise<{ uploads: Upload[]; fields: Record<string, string> }> {
  const uploads: Upload[] = [];
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  let totalBytes = 0;
  try {
    for await (const part of request.parts({ limits: { fileSize: limitBytes, files: mostFiles, fields: mostFields, parts: mostFiles + mostFields, fieldSize: 64 * 1024 } })) {
      if (part.type === 'field') {
        fields[part.fieldname] = String(part.value);
        continue;
      }
      const bytes = await part.toBuffer();
      totalBytes += bytes.length;
      if (totalBytes > limitBytes) throw new Problem('payload-too-large');
      uploads.push({ fileName: part.filename.slice(0, 255), contentType: part.mimetype, bytes });
    }
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    const tooLarge = (cause as { statusCode?: number }).statusCode === 413;
    throw new Problem(tooLarge ? 'payload-too-large' : 'invalid-request', tooLarge ? undefined : 'The body is not complete multipart/form-data', { cause });
  }
  return { uploads, fields };
}
