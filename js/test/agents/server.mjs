/** What an address of a server that listens in a directory says: where a client of pg finds it, and which schema. */
export function serverOf(address) {
  const { username, port, pathname, searchParams } = new URL(address.replace(/@(?=[:/])/, '@directory'));
  const [user, database] = [username, pathname.slice(1)].map(decodeURIComponent);
  return {
    client: { host: searchParams.get('host'), port: port || 5432, user, database },
    schema: searchParams.get('schema'),
  };
}
