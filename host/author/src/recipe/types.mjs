// Writes the types of a world of the plugin contract, for the compiler and the editor:
//
//     node types.mjs NODE_MODULES WIT_FOLDER WORLD OUT_FOLDER

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const [modules, contract, world, out] = process.argv.slice(2);
const generator = join(resolve(modules), "@bytecodealliance/jco-transpile/vendor/js-component-bindgen-component.js");
const { $init, generateTypes } = await import(generator);
await $init;

// One text: the file that names the package comes first.
const names = readdirSync(contract).filter((name) => name.endsWith(".wit"));
const texts = names.map((name) => readFileSync(join(contract, name), "utf8"));
texts.sort((a, b) => Number(/^package /m.test(b)) - Number(/^package /m.test(a)));

const files = generateTypes("world", {
  wit: { tag: "source", val: texts.join("\n") },
  world,
  features: { tag: "list", val: [] },
  guest: true,
  tlaCompat: false,
  flagsAsBigint: false,
  variantsInlineCases: false,
  useNamespaceObjects: false,
  enumValuesScreamingSnakeCase: false,
});
for (const [name, text] of files) {
  mkdirSync(dirname(join(out, name)), { recursive: true });
  writeFileSync(join(out, name), text);
}
