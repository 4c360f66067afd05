// Writes src/api/schema.d.ts: the types of the API, out of the OpenAPI document that the gateway serves.
//
// The document says of no field that it is always there, since protocol buffers do not; but the gateway sends every field except
// messages (times among them) that are not set. So there are two types of everything: X is what is read, and X.Input what is sent.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { upgrade } from "@scalar/openapi-upgrader";
import openapiTS, { astToString } from "openapi-typescript";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const document = JSON.parse(await readFile(here("../../../../proto/gen/openapi/switchboard.swagger.json"), "utf8"));
const definitions = document.definitions;

const forInput = (node) =>
  JSON.parse(
    JSON.stringify(node, (key, value) => (key === "$ref" ? value + ".Input" : key === "readOnly" ? undefined : value)),
  );

/** Whether a field is a message, and so left out where it is not set. */
function isMessage(field) {
  const reference = field.$ref ?? field.allOf?.[0]?.$ref;
  return field.format === "date-time" || (reference && !definitions[reference.split("/").pop()].enum);
}

const inputs = {};
for (const [name, definition] of Object.entries(definitions)) {
  inputs[name + ".Input"] = forInput(definition);
}
for (const [name, definition] of Object.entries(definitions)) {
  const fields = Object.entries(definition.properties ?? {});
  // Of settings, each field may be unset on its own.
  if (name !== "Settings" && !name.endsWith("Status") && fields.length) {
    definition.required = fields
      .filter(([field, value]) => !isMessage(value) && field !== "packageState")
      .map(([field]) => field);
  }
}
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) {
    for (const parameter of operation.parameters ?? []) {
      if (parameter.in === "body") {
        parameter.schema = forInput(parameter.schema);
      }
    }
  }
}
Object.assign(definitions, inputs);

const types = astToString(await openapiTS(upgrade(document, "3.1"), { alphabetize: true }));
await mkdir(here("../src/api"), { recursive: true });
await writeFile(here("../src/api/schema.d.ts"), "// Written by scripts/generate.mjs; not to be edited.\n" + types);
