/** The yardstick: a TLS server that asks for certificates, holds connections and does nothing else. */
import { createServer } from 'node:tls';
import type { LoadAuthority } from './certificates.ts';

process.on('message', ({ authority }: { authority: LoadAuthority }) => {
  const server = createServer({
    key: authority.brokerKeyPem, cert: authority.brokerCertificatePem, ca: authority.authorityPem, requestCert: true, rejectUnauthorized: true, sessionIdContext: 'bare',
  }, (socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(Buffer.from([0]));
  });
  server.listen({ host: '0.0.0.0', port: 0, backlog: 8_192 }, () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
  });
});
