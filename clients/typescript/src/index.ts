import createClient, { type Client, type ClientOptions, mergeHeaders } from "openapi-fetch";
import type { paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";
export { events, StreamError } from "./streaming.js";

export interface LeptonOptions extends ClientOptions {
  /** Made by `lepton serve keys add NAME`. */
  key?: string;
}

/**
 * A client of the service at this address. `Paths` are those of any service, or of yours alone:
 * `lepton serve MODEL… --openapi` tells them.
 */
export function lepton<Paths extends {} = paths>(
  baseUrl: string,
  { key, headers, ...options }: LeptonOptions = {},
): Client<Paths> {
  const known = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  return createClient<Paths>({
    bodySerializer: serialized,
    ...options,
    baseUrl,
    headers: mergeHeaders(known, headers),
  });
}

/** Bytes go as they are, files as a form, all else as JSON. */
function serialized(body: unknown): BodyInit {
  if (body instanceof Blob || body instanceof FormData) return body;
  if (!isForm(body)) return JSON.stringify(body);
  const form = new FormData();
  for (const file of body.file) form.append("file", file);
  return form;
}

function isForm(body: unknown): body is { file: Blob[] } {
  if (typeof body !== "object" || body === null || !("file" in body)) return false;
  return Array.isArray(body.file) && body.file.every((each) => each instanceof Blob);
}
