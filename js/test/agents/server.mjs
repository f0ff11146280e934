import { readFileSync } from 'node:fs';

/** What an address of a server says: where a client of pg finds it, and which schema. */
export function serverOf(address) {
  const { username, hostname, port, pathname, searchParams } = new URL(address.replace(/@(?=[:/])/, '@directory'));
  const [user, database] = [username, pathname.slice(1)].map(decodeURIComponent);
  const roots = searchParams.get('sslrootcert');
  return {
    client: {
      host: searchParams.get('host') ?? hostname,
      port: port || 5432,
      user,
      database,
      ...(roots !== null && { ssl: { ca: readFileSync(roots) } }),
    },
    schema: searchParams.get('schema'),
  };
}
