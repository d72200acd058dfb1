/** Of Node's own modules, as much as the tests use. */
declare module "node:fs" {
  export function readFileSync(path: string, encoding: "utf8"): string;
}
