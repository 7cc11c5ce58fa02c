// Builds the monitor page from these sources: `node frontend/build.mjs [FOLDER]`.
//
// The same sources and the same package-lock.json make the same bytes on every machine, so that a test can compare what
// is checked in with what is built. Nothing that the page needs comes from elsewhere.

import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const out = resolve(process.argv[2] ?? join(root, "azure_durable_py", "http", "monitor", "page"));

mkdirSync(out, { recursive: true });
const built = await build({
    absWorkingDir: root,
    entryPoints: { monitor: "frontend/src/main.tsx" },
    outdir: out,
    bundle: true,
    minify: true,
    format: "iife",
    target: ["es2022", "chrome109", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
});
copyFileSync(join(here, "index.html"), join(out, "index.html"));
writeFileSync(join(out, "LICENSES.txt"), licences(Object.keys(built.metafile.inputs)));

// The licences of the packages of which something is in the bundle.
function licences(inputs) {
    const packages = new Set();
    for (const input of inputs) {
        const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
        if (found) packages.add(found[1]);
    }
    const parts = ["monitor.js contains these packages, each under its own licence.\n"];
    for (const name of [...packages].sort()) {
        const folder = join(root, "node_modules", name);
        const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const text = readFileSync(join(folder, "LICENSE"), "utf8").replaceAll("\r\n", "\n").trim();
        parts.push(`${"-".repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`);
    }
    return parts.join("\n");
}
