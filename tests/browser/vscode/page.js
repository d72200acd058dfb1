/** The webview of a VS Code notebook, with a kernel of its own: the bundle is the one VS Code loads into every notebook. */

import { KernelManager, ServerConnection } from "@jupyterlab/services";
import { activate } from "@vscode/jupyter-ipywidgets8";

const asked = new URLSearchParams(location.search);
// The bundle asks for both under these names, as VS Code's page has them.
window.define = window.requirejs.define ?? window.define;
window.undef = window.undef ?? window.requirejs.undef;

/** Colours of VS Code's own four themes. */
const THEMES = {
  "vscode-light": {
    background: "#ffffff",
    foreground: "#3b3b3b",
    border: "#e5e5e5",
    focus: "#005fb8",
    link: "#005fb8",
    kind: "light",
  },
  "vscode-dark": {
    background: "#1f1f1f",
    foreground: "#cccccc",
    border: "#2b2b2b",
    focus: "#0078d4",
    link: "#4daafc",
    kind: "dark",
  },
  "vscode-high-contrast": {
    background: "#000000",
    foreground: "#ffffff",
    border: "#6fc3df",
    focus: "#f38518",
    link: "#21a6ff",
    kind: "dark",
  },
  "vscode-high-contrast-light": {
    background: "#ffffff",
    foreground: "#292929",
    border: "#0f4a85",
    focus: "#006bbd",
    link: "#0f4a85",
    kind: "light",
  },
};

window.setTheme = (name) => {
  const { background, foreground, border, focus, link, kind } = THEMES[name];
  const style = document.documentElement.style;
  const variables = {
    "--vscode-editor-background": background,
    "--vscode-editor-foreground": foreground,
    "--vscode-foreground": foreground,
    "--vscode-panel-border": border,
    "--vscode-focusBorder": focus,
    "--vscode-textLink-foreground": link,
    "--vscode-font-family": "system-ui, sans-serif",
    // The light value in every theme, as VS Code has it.
    "--jp-ui-font-color1": "rgba(0, 0, 0, 0.87)",
  };
  if (name.includes("contrast")) variables["--vscode-contrastBorder"] = border;
  style.removeProperty("--vscode-contrastBorder");
  for (const [key, value] of Object.entries(variables)) style.setProperty(key, value);
  style.colorScheme = kind;
  // VS Code gives its light high contrast theme the older name as well.
  document.body.className = name === "vscode-high-contrast-light" ? `${name} vscode-high-contrast` : name;
  document.body.dataset.vscodeThemeKind = name;
};

/** A kernel that answers. On a busy server one may be connected before it listens and stay deaf: then another is started. */
async function started(kernels) {
  for (let seconds = 30; ; seconds *= 2) {
    const late = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    window.stage = "starting a kernel";
    const kernel = await Promise.race([kernels.startNew({ name: "python3" }), late]);
    if (!kernel) continue;
    let state = "waiting";
    kernel.info.then(() => {
      state = "known";
    });
    late.then(() => {
      if (state === "waiting") state = "deaf";
    });
    while (state === "waiting") {
      window.stage = `asking a kernel that is ${kernel.connectionStatus} and ${kernel.status}`;
      kernel.requestKernelInfo().catch(() => {});
      await Promise.race([kernel.info, late, new Promise((resolve) => setTimeout(resolve, 2000))]);
    }
    if (state === "known") return kernel;
    kernel.shutdown().catch(() => {});
    kernel.dispose();
  }
}

async function main() {
  window.setTheme("vscode-light");
  activate();
  window.vscIPyWidgets8.load();
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: `${location.origin}/`,
    wsUrl: `${location.origin.replace("http", "ws")}/`,
    token: asked.get("token"),
    appendToken: true,
  });
  const kernels = new KernelManager({ serverSettings });
  const id = asked.get("kernel");
  const kernel = id ? kernels.connectTo({ model: { id, name: "python3" } }) : await started(kernels);
  window.kernel = kernel.id;
  window.stage = "widgets";
  const out = document.getElementById("out");
  window.failures = [];
  const manager = new window.vscIPyWidgets.WidgetManager(
    kernel,
    out,
    {
      widgetsRegisteredInRequireJs: new Set([
        "@jupyter-widgets/controls",
        "@jupyter-widgets/base",
        "@jupyter-widgets/output",
      ]),
      errorHandler: (name, module, version, error) => window.failures.push(`${module}:${name}:${version} ${error}`),
      // VS Code does this for modules under <sys.prefix>/share/jupyter/nbextensions of the kernel's interpreter.
      loadWidgetScript: async (module) =>
        window.requirejs.config({ paths: { [module]: `${location.origin}/vscode/nbextensions/${module}/index` } }),
      successHandler: () => {},
    },
    () => {},
  );
  /** Run `code` as a cell: its widgets are shown; what it prints comes back. */
  window.run = async (code) => {
    let printed = "";
    const shown = [];
    const future = kernel.requestExecute({ code, stop_on_error: true });
    future.onIOPub = (message) => {
      const { content } = message;
      if (message.header.msg_type === "error") printed += `ERROR ${content.traceback.join("\n")}`;
      if (message.header.msg_type === "stream" && content.name === "stdout") printed += content.text;
      const view = content?.data?.["application/vnd.jupyter.widget-view+json"];
      if (view) shown.push(show(view.model_id));
    };
    await future.done;
    await Promise.all(shown);
    return printed;
  };
  const show = async (id) => {
    const model = await manager.get_model(id);
    const cell = document.createElement("div");
    cell.className = "cell-output-ipywidget-background";
    out.append(cell);
    const view = await manager.create_view(model, { el: cell });
    await manager.display_view({}, view, { node: cell });
  };
  window.shutDown = () => kernel.shutdown();
  window.ready = true;
}

main().catch((error) => {
  window.fatal = String(error?.stack ?? error);
});
