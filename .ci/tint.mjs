// Compiles every shader with Tint, the WGSL compiler of Chromium, beside naga, which the program uses: naga lets barriers in non-uniform
// flow pass that browsers refuse. Needs the npm package `webgpu`, but no GPU, and the whole texts that the test `translate` writes:
// node .ci/tint.mjs target/tmp/shaders
import { create, globals } from 'webgpu';
import fs from 'node:fs';
import path from 'node:path';

Object.assign(globalThis, globals);
const folder = process.argv[2];
// held on to: what it made dies with it
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice();

async function errors(code) {
  device.pushErrorScope('validation');
  const info = await device.createShaderModule({ code }).getCompilationInfo();
  await device.popErrorScope();
  return info.messages.filter((m) => m.type === 'error').map((m) => `line ${m.lineNum}: ${m.message}`);
}

// the check sees: a barrier that not all threads reach
const bent = `@compute @workgroup_size(64) fn f(@builtin(local_invocation_index) i: u32) { if (i > 3u) { workgroupBarrier(); } }`;
if ((await errors(bent)).length === 0) throw new Error('a barrier in non-uniform flow passed');

let failed = 0;
const names = fs.readdirSync(folder).filter((name) => name.endsWith('.wgsl'));
for (const name of names) {
  const found = await errors(fs.readFileSync(path.join(folder, name), 'utf8'));
  found.forEach((error) => console.error(`${name}: ${error}`));
  failed += found.length > 0 ? 1 : 0;
}
console.log(`Tint compiled ${names.length - failed} of ${names.length} shaders`);
process.exitCode = failed > 0 || names.length === 0 ? 1 : 0;
if (gpu) device.destroy();
