// What the official TypeScript SDK finds at the emulator. Run by test_typescript.py.
//
// Reads   the emulator's url, its key, and ga or beta as arguments; on stdin JSON: {generated: ids, newest first, names: to upload}.
// Writes  one JSON object on stdout; whatever fails unexpectedly is an exception instead.

import { readFileSync } from "node:fs";
import { File as NodeFile } from "node:buffer";
import Anthropic, { toFile } from "@anthropic-ai/sdk";

globalThis.File ??= NodeFile; // Debian 12 has node 18

const [url, key, shape] = process.argv.slice(2);
const { generated, names } = JSON.parse(readFileSync(0, "utf8"));
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const files = shape === "ga" ? client.files : client.beta.files;
const betas = shape === "ga" ? {} : { betas: ["files-api-2025-04-14"] };

async function outcome(call) {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    return [error.constructor.name, error.status];
  }
}

const listed = [];
for await (const file of files.list({ limit: 2, ...betas })) listed.push(file.id);

const uploaded = await files.upload({ file: await toFile(Buffer.from("typescript"), "a.txt", { type: "text/plain" }), ...betas });
const metadata = await files.retrieveMetadata(uploaded.id, betas);
const downloaded = await (await files.download(generated[0], betas)).text();

const named = {};
for (const name of names) {
  named[name] = await outcome(async () => {
    const file = await files.upload({ file: await toFile(Buffer.from("x"), name, { type: "text/plain" }), ...betas });
    await files.delete(file.id, betas);
    return file.filename;
  });
}

const deleted = await files.delete(uploaded.id, betas);
const wrong = new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 });
const errors = {
  key: await outcome(() => (shape === "ga" ? wrong.files : wrong.beta.files).list(betas)),
  gone: await outcome(() => files.delete(uploaded.id, betas)),
  "gone metadata": await outcome(() => files.retrieveMetadata(uploaded.id, betas)),
};
const again = await files.upload({ file: await toFile(Buffer.from("typescript"), "a.txt", { type: "text/plain" }), ...betas });
errors.download = await outcome(() => files.download(again.id, betas));
console.log(JSON.stringify({ listed, uploaded, metadata, downloaded, named, deleted, errors }));
