// Builds each widget: <widget>.js (for notebooks), <widget>.snapshot.js (host and widget for static pages), <widget>.css.
// node js/build.mjs                    all of widgets.json, into the package
// node js/build.mjs NAME FOLDER OUT    one whose index.tsx and NAME.css stand in FOLDER, into OUT
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "src", "saewidgets", "static");
/** Every widget there is: hatch_build.py, the tests of the wheel and the benchmark read the same file. */
const widgets = JSON.parse(readFileSync(join(here, "widgets.json"), "utf8"));

const common = {
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  logLevel: "warning",
};
const script = {
  ...common,
  jsx: "transform",
  jsxFactory: "jsxElement",
  jsxFragment: "jsxFragment",
  inject: [join(here, "src", "page", "jsx.ts")],
  // Else tsconfig.json's word for JSX counts, which is for the type checker and the tests.
  tsconfigRaw: {},
  // Also for a widget that stands elsewhere.
  nodePaths: [join(here, "..", "node_modules")],
};

/**
 * Bundle the widget whose index.tsx and style sheet stand in `folder`. With `page` its page holds
 * more than the widget: what page.ts and page.css there say.
 */
async function bundle(widget, folder, into, { budget, page: more = false }) {
  mkdirSync(into, { recursive: true });
  const live = join(into, `${widget}.js`);
  await build({ ...script, entryPoints: [join(folder, "index.tsx")], format: "esm", outfile: live });
  const page = join(into, `${widget}.snapshot.js`);
  const [view, boot] = [join(folder, "index.tsx"), join(here, "src", "page", "boot")].map((path) =>
    JSON.stringify(path),
  );
  const contents = more
    ? `import ${JSON.stringify(join(folder, "page.ts"))};`
    : `import widget from ${view}; import { boot } from ${boot}; boot({ ${JSON.stringify(widget)}: widget });`;
  await build({
    ...script,
    stdin: {
      contents,
      resolveDir: here,
      loader: "ts",
    },
    format: "iife",
    outfile: page,
  });
  await build({ ...common, entryPoints: [join(folder, `${widget}.css`)], outfile: join(into, `${widget}.css`) });
  if (more)
    await build({
      ...common,
      entryPoints: [join(folder, "page.css")],
      outfile: join(into, `${widget}.snapshot.css`),
    });
  const code = readFileSync(live, "utf8");
  if (code.length > budget) throw new Error(`${widget}.js has ${code.length} bytes, over its budget of ${budget}.`);
  // anywidget takes a one-line bundle without a final newline for a file path.
  if (!code.endsWith("\n")) writeFileSync(live, `${code}\n`);
  const inline = readFileSync(page, "utf8");
  if (/<\/script/i.test(inline) || (inline.includes("<!--") && /<script/i.test(inline)))
    throw new Error(`${widget}.snapshot.js cannot stand inline in a page: it holds a script tag or an HTML comment.`);
  console.log(`${widget}.js ${(code.length / 1000).toFixed(1)} kB, with host ${(inline.length / 1000).toFixed(1)} kB`);
}

const [name, folder, into] = process.argv.slice(2);
if (name) await bundle(name, resolve(folder), resolve(into), { budget: Number.POSITIVE_INFINITY });
else
  for (const [widget, how] of Object.entries(widgets))
    await bundle(widget, join(here, "src", "widgets", widget), out, how);
