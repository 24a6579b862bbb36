// Tests gen-core's kernels in WebAssembly: `node conformance.mjs MODULE`, which `./web/build.sh --conformance` builds.

import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { conformance, memory, text, text_len } = instance.exports;
const calls = conformance();
if (calls < 1000) {
  console.error(new TextDecoder().decode(new Uint8Array(memory.buffer, text(), text_len())));
  console.error(`${calls} calls of kernels were compared`);
  process.exit(1);
}
console.log(`${calls} calls of kernels are what they should be`);
