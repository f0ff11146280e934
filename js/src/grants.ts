import process from 'node:process';

/**
 * Whether Deno grants this. To do without a grant what needs it would ask whoever sits at the terminal. In Node
 * everything is
 * granted.
 */
export function isGranted(permission: object): boolean {
  const { Deno: deno } = globalThis as { Deno?: { permissions: { querySync(of: object): { state: string } } } };
  return deno === undefined || deno.permissions.querySync(permission).state === 'granted';
}

/** An environment variable; `undefined` if it is not set, is empty, or may not be read: an option can say the same. */
export function variable(name: string): string | undefined {
  return isGranted({ name: 'env', variable: name }) ? process.env[name] || undefined : undefined;
}
