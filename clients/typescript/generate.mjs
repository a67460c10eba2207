// Writes the types of an OpenAPI document to standard output: node generate.mjs openapi.json
import { readFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const BLOB = ts.factory.createTypeReferenceNode("Blob");

const types = await openapiTS(JSON.parse(await readFile(process.argv[2], "utf8")), {
  // A file is a Blob, where the generator alone would say string.
  transform: (schema) => (schema.format === "binary" ? BLOB : undefined),
  alphabetize: true,
});
process.stdout.write("// Generated from an OpenAPI document by generate.mjs; not to be changed here.\n");
process.stdout.write(astToString(types));
